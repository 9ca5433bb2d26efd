"""People and access in Django admin, and what all admin pages of the portal stand on."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import BinaryField, Count, Model, QuerySet
from django.http import HttpRequest

from mlportal.access import services
from mlportal.access.models import ApiToken, AuditEvent, Membership, User, Workspace
from mlportal.errors import PortalError

M = TypeVar("M", bound=Model)

admin.site.site_header = admin.site.site_title = "mlportal"
admin.site.index_title = "Administration"


class RecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's own takes no parameter at run time
    """Rows that the portal's own code writes: they are looked at here, and changed by services alone."""

    show_full_result_count = False  # counting millions of points takes longer than showing a hundred
    list_per_page = 50
    hidden: ClassVar[tuple[str, ...]] = ()  # columns that nobody is shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Every column, those that no form would have too; packed bytes are no sight."""
        columns = (field for field in self.opts.fields if not isinstance(field, BinaryField))
        return [field.name for field in columns if field.name not in self.hidden]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_readonly_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def do_for_each(
    page: "admin.ModelAdmin[M]", request: HttpRequest, rows: Iterable[M], do: Callable[[M], object], done: str
) -> None:
    """Call a service for each row; what it refuses is told row by row, and the others are done all the same."""
    count = 0
    for row in rows:
        try:
            do(row)
            count += 1
        except PortalError as error:
            page.message_user(request, f"{row}: {error.message}", messages.ERROR)
    if count:
        page.message_user(request, f"{done}: {count}.", messages.SUCCESS)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """People are made inactive, not deleted: what they did stays theirs. Only administrators make administrators."""

    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    date_hierarchy = "date_joined"
    powers = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("last_login", "date_joined")
        return fields if getattr(request.user, "is_superuser", False) else (*fields, *self.powers)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Whoever may set an administrator's password is one.
        above = obj is not None and obj.is_superuser and not getattr(request.user, "is_superuser", False)
        return not above and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "description", "member_count", "created_at")
    search_fields = ("name", "description")
    date_hierarchy = "created_at"
    fields = ("name", "description", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        rows: QuerySet[Workspace] = super().get_queryset(request)
        return rows.annotate(member_count=Count("memberships"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "created_at") if obj else ("created_at",)  # its name is in every address and every config.json

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # runs may be going on in it

    def save_model(self, request: HttpRequest, obj: Workspace, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["description"])
            return
        assert isinstance(request.user, User)
        made = services.create_workspace(obj.name, description=obj.description, by=request.user)
        obj.pk, obj._state.adding = made.pk, False

    @admin.display(description="members", ordering="member_count")
    def member_count(self, workspace: Any) -> int:
        return int(workspace.member_count)


@admin.register(Membership)
class MembershipAdmin(RecordAdmin):
    """Changed on the workspace's page for members, which keeps the last owner."""

    list_display = ("user", "workspace", "role", "created_at")
    list_filter = ("role", "workspace")
    list_select_related = ("user", "workspace")
    search_fields = ("user__username", "user__email", "workspace__name")


@admin.register(ApiToken)
class ApiTokenAdmin(RecordAdmin):
    list_display = ("name", "hint", "user", "is_usable", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "hint", "user__username")
    date_hierarchy = "created_at"
    hidden = ("digest",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("access.change_apitoken")

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, tokens: QuerySet[ApiToken]) -> None:
        person = request.user
        assert isinstance(person, User)
        do_for_each(self, request, tokens, lambda token: services.revoke_token(token, by=person), "Revoked")

    @admin.display(boolean=True, description="usable")
    def is_usable(self, token: ApiToken) -> bool:
        return token.is_usable


@admin.register(AuditEvent)
class AuditEventAdmin(RecordAdmin):
    list_display = ("at", "actor", "action", "subject", "workspace")
    list_filter = ("action", "workspace")
    list_select_related = ("actor", "workspace")
    search_fields = ("subject", "action", "actor__username")
    date_hierarchy = "at"
