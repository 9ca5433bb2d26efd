from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mlportal.access import services, shown_once
from mlportal.access.forms import ChangePasswordForm, LoginForm, MemberForm, TokenForm, WorkspaceForm
from mlportal.access.models import ApiToken, Membership, User, digest_of
from mlportal.access.roles import Role
from mlportal.errors import PortalError
from mlportal.pages import PageRequest, WorkspaceRequest, account_view, workspace_view

WHAT_ROLES_MAY = {
    Role.READER: "Sees everything: runs, logs, metrics, models, deployments.",
    Role.CONTRIBUTOR: "Also submits and cancels runs, builds environments, registers and deploys models.",
    Role.OWNER: "Also adds, changes and removes members, deletes for good and makes rules of retention.",
}


class Login(LoginView):
    form_class = LoginForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        # Told only while it helps: once anybody has signed in, the first password is known.
        nobody_yet = not User.objects.exclude(last_login=None).exists()
        return super().get_context_data(**kwargs) | {"nobody_yet": nobody_yet}


@method_decorator(account_view, name="dispatch")
class PasswordChange(PasswordChangeView):
    form_class = ChangePasswordForm
    success_url = reverse_lazy("password-change")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed. Other browsers that were signed in are signed out.")
        return super().form_valid(form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@account_view
@sensitive_variables("secret")
def tokens(request: PageRequest) -> HttpResponse:
    """The person's tokens. A new one is told on the page that follows its creation, and never again."""
    form = TokenForm(request.POST or None)
    if form.is_valid():
        _, secret = services.create_token(
            request.user, form.cleaned_data["name"], expires_at=form.expires_at, by=request.user
        )
        made = redirect("tokens")
        shown_once.keep(request, made, secret)
        return made
    secret = shown_once.take(request) if request.method == "GET" else ""
    mine = ApiToken.objects.visible_to(request.user)
    context = {
        "form": form,
        "tokens": sorted(mine, key=lambda token: not token.is_usable),
        "created": mine.filter(digest=digest_of(secret)).first() if secret else None,
        "secret": secret,
        "address": settings.PUBLIC_URL,
        "example_workspace": getattr(request, "workspace", None) or "default",
    }
    response = render(request, "access/tokens.html", context, status=400 if form.errors else 200)
    if secret:
        shown_once.forget(response)
    return response


@require_POST
@login_required
def token_revoke(request: PageRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken.objects.visible_to(request.user), pk=pk)
    services.revoke_token(token, by=request.user)
    messages.success(request, f"The token {token.name} opens nothing any more.")
    return redirect("tokens")


@require_http_methods(["GET", "HEAD", "POST"])
@account_view
def workspace_new(request: PageRequest) -> HttpResponse:
    form = WorkspaceForm(request.POST or None)
    if form.is_valid():
        try:
            return redirect(services.create_workspace(**form.cleaned_data, by=request.user))
        except PortalError as error:
            form.add_error(error.details.get("field"), error.message)
    return render(request, "access/workspace_new.html", {"form": form}, status=400 if form.errors else 200)


@require_safe
@workspace_view
def members(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    return _members_page(request, MemberForm())


@require_POST
@workspace_view
def member_set(request: WorkspaceRequest, workspace: str) -> HttpResponse:
    """Adds a member, or changes a member's role."""
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            membership = services.set_member(request.workspace, **form.cleaned_data, by=request.user)
        except PortalError as error:
            if error.status == 403:
                raise
            form.add_error(error.details.get("field"), error.message)
        else:
            messages.success(
                request, f"{membership.user} is {membership.get_role_display().lower()} of {request.workspace}."
            )
            return redirect("members", request.workspace.name)
    return _members_page(request, form, status=400)


@require_POST
@workspace_view
def member_remove(request: WorkspaceRequest, workspace: str, pk: int) -> HttpResponse:
    membership = get_object_or_404(request.workspace.memberships.select_related("workspace", "user"), pk=pk)
    try:
        services.remove_member(membership, by=request.user)
    except PortalError as error:
        if error.status == 403:
            raise
        messages.error(request, error.message)
    else:
        messages.success(request, f"{membership.user} is no longer a member of {request.workspace}.")
        if membership.user == request.user and not request.user.is_superuser:
            return redirect("home")
    return redirect("members", request.workspace.name)


def _members_page(request: WorkspaceRequest, form: MemberForm, *, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "memberships": Membership.objects.filter(workspace=request.workspace).select_related("user"),
        "roles": [(role, role.label, what) for role, what in WHAT_ROLES_MAY.items()],
        "may_change": request.role.includes(Role.OWNER),
    }
    return render(request, "access/members.html", context, status=status)
