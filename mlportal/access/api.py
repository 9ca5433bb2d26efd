"""People, workspaces, members and tokens in the JSON API."""

from typing import Any

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import JsonResponse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mlportal.access import services
from mlportal.access.models import ApiToken, Membership, User, Workspace
from mlportal.access.roles import Role
from mlportal.api.fields import Input
from mlportal.api.views import ApiView, DetailView, ListView, created, get_or_404, validated
from mlportal.errors import NotAllowed


class WorkspaceSerializer(serializers.ModelSerializer[Workspace]):
    role = serializers.SerializerMethodField()
    page = serializers.CharField(source="get_absolute_url")

    class Meta:
        model = Workspace
        fields = ["name", "description", "created_at", "role", "page"]

    @extend_schema_field(serializers.ChoiceField(choices=Role.choices))
    def get_role(self, workspace: Workspace) -> str | None:
        """What the caller may do here; an administrator is an owner everywhere."""
        person = self.context["request"].user
        return Role.OWNER.value if person.is_superuser else getattr(workspace, "own_role", None)


class WorkspaceInput(Input):
    name = serializers.CharField(max_length=63)
    description = serializers.CharField(max_length=500, allow_blank=True, default="")


class MembershipSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username")

    class Meta:
        model = Membership
        fields = ["username", "role", "created_at"]


class MembershipInput(Input):
    username = serializers.CharField(max_length=150)
    role = serializers.ChoiceField(choices=Role.choices)


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ["id", "name", "hint", "created_at", "last_used_at", "expires_at", "revoked_at", "is_usable"]


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="The secret; this is the only time that it is shown.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class TokenInput(Input):
    name = serializers.CharField(max_length=100)
    expires_at = serializers.DateTimeField(allow_null=True, default=None)


class OwnRoleSerializer(serializers.Serializer[Any]):
    workspace = serializers.CharField(source="workspace.name")
    role = serializers.ChoiceField(choices=Role.choices)


class MeSerializer(serializers.ModelSerializer[User]):
    memberships = OwnRoleSerializer(many=True)

    class Meta:
        model = User
        fields = ["username", "email", "is_superuser", "memberships"]


class ConfigSerializer(serializers.Serializer[Any]):
    subscription_id = serializers.CharField()
    resource_group = serializers.CharField()
    workspace_name = serializers.CharField()
    portal_url = serializers.URLField()


class Me(ApiView):
    output = MeSerializer

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """Who the token or session belongs to."""
        people = User.objects.prefetch_related("memberships__workspace")
        return Response(MeSerializer(people.get(pk=self.person.pk)).data)


class Workspaces(ListView[Workspace]):
    queryset = Workspace.objects.none()
    serializer_class = WorkspaceSerializer

    def get_queryset(self) -> QuerySet[Workspace]:
        return with_own_role(self.request.user)

    @extend_schema(request=WorkspaceInput, responses={201: WorkspaceSerializer})
    def post(self, request: Request) -> Response:
        """Make a workspace; whoever makes it is its first owner."""
        made = services.create_workspace(**validated(WorkspaceInput, request.data), by=self.person)
        shown = with_own_role(self.person).get(pk=made.pk)
        return created(self.get_serializer(shown).data, "workspaces", made.name)


class WorkspaceDetail(DetailView[Workspace]):
    serializer_class = WorkspaceSerializer

    def get_object(self) -> Workspace:
        return get_or_404(with_own_role(self.request.user), name=self.kwargs["workspace"])


def with_own_role(person: Any) -> QuerySet[Workspace]:
    """The person's workspaces, each with `own_role`."""
    own = Membership.objects.filter(workspace=OuterRef("pk"), user=person).values("role") if person.pk else None
    rows = Workspace.objects.visible_to(person)
    return rows.annotate(own_role=Subquery(own)) if own is not None else rows


class Config(ApiView):
    @extend_schema(responses=ConfigSerializer)
    def get(self, request: Request, workspace: str) -> JsonResponse:
        """The `config.json` that `Workspace.from_config()` reads."""
        content = {
            "subscription_id": "mlportal",
            "resource_group": "mlportal",
            "workspace_name": self.workspace.name,
            "portal_url": settings.PUBLIC_URL,
        }
        response = JsonResponse(content, json_dumps_params={"indent": 4})
        response["Content-Disposition"] = 'attachment; filename="config.json"'
        return response


class Members(ListView[Membership]):
    queryset = Membership.objects.none()
    serializer_class = MembershipSerializer

    def get_queryset(self) -> QuerySet[Membership]:
        return self.workspace.memberships.select_related("user")

    @extend_schema(request=MembershipInput, responses={200: MembershipSerializer, 201: MembershipSerializer})
    def post(self, request: Request, workspace: str) -> Response:
        """Add a member (201), or change a member's role (200). For owners."""
        wish = validated(MembershipInput, request.data)
        known = self.workspace.memberships.filter(user__username=wish["username"]).exists()
        member = services.set_member(self.workspace, wish["username"], wish["role"], by=self.person)
        data = self.get_serializer(member).data
        if known:
            return Response(data)
        return created(data, "workspaces", self.workspace.name, "members", member.user.username)


class Member(ApiView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace: str, username: str) -> Response:
        """Remove a member. For owners; the last owner stays."""
        member = get_or_404(self.workspace.memberships.all(), user__username=username)
        services.remove_member(member, by=self.person)
        return Response(status=204)


class Tokens(ListView[ApiToken]):
    once = False
    queryset = ApiToken.objects.none()
    serializer_class = TokenSerializer

    def get_queryset(self) -> QuerySet[ApiToken]:
        return ApiToken.objects.visible_to(self.request.user)

    @extend_schema(request=TokenInput, responses={201: NewTokenSerializer}, auth=[{"session": []}])  # type: ignore[list-item]
    def post(self, request: Request) -> Response:
        """Make a token for yourself, from a browser's session: a token makes no tokens.

        The answer shows its secret, and nothing ever does again.
        """
        if isinstance(request.auth, ApiToken):  # else a stolen one would outlive its revocation and its last day
            raise NotAllowed(
                "A token makes no tokens. Sign in and make one on the Tokens page, or with `manage.py token`."
            )
        token, secret = services.create_token(self.person, **validated(TokenInput, request.data))
        return created({**self.get_serializer(token).data, "token": secret}, "tokens", str(token.pk))


class Token(ApiView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, token: int) -> Response:
        """Revoke a token; from the next request on it opens nothing."""
        services.revoke_token(get_or_404(ApiToken.objects.visible_to(self.person), pk=token), by=self.person)
        return Response(status=204)
