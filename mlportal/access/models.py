"""People, workspaces, who belongs where, the keys they use and the trail they leave."""

import hashlib
import secrets
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from mlportal.access.querysets import WorkspaceScoped
from mlportal.access.roles import Role

workspace_name = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_-]{1,62}\Z",
    "2 to 63 letters, digits, hyphens or underscores; it starts with a letter or digit.",
)


class User(AbstractUser):
    """A person. Workspaces, not flags on the person, say what they may do."""


class WorkspaceQuerySet(WorkspaceScoped["Workspace"]):
    workspace_path = "pk"

    def visible_to(self, principal: Any, workspace: Any = None) -> Self:
        """A running script's own, too: the few endpoints that are open to it look for rows in there."""
        from mlportal.access.principals import RunPrincipal

        if isinstance(principal, RunPrincipal):
            there = self if workspace is None else self.in_workspace(workspace)
            return there.filter(pk=principal.workspace_id)
        return super().visible_to(principal, workspace)


class Workspace(models.Model):
    """What a team shares: experiments, environments, models, deployments. Nothing in it is visible from outside."""

    name = models.CharField(max_length=63, unique=True, validators=[workspace_name])
    description = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    members = models.ManyToManyField(User, through="Membership", related_name="workspaces")

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("overview", args=[self.name])

    def role_of(self, person: Any) -> Role | None:
        """The person's role here; an administrator is an owner everywhere."""
        if not isinstance(person, User) or not person.is_active:
            return None
        if person.is_superuser:
            return Role.OWNER
        role = self.memberships.filter(user=person).values_list("role", flat=True).first()
        return Role(role) if role else None


class Membership(models.Model):
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.READER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["user__username"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="one_membership_per_person"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace} as {self.role}"


class ApiTokenQuerySet(QuerySet["ApiToken"]):
    def visible_to(self, person: Any) -> Self:
        """Tokens are their owner's alone."""
        return self.filter(user=person) if isinstance(person, User) else self.none()

    def usable(self) -> Self:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None, user__is_active=True)


class ApiToken(models.Model):
    """A person's key to the API. Only its digest is kept: a copy of the database opens nothing.

    A fast digest is right here: the secret has 256 random bits, so there is nothing to guess.
    """

    PREFIX: ClassVar = "mlp_"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False, help_text="The first characters, to tell tokens apart.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


def new_secret(prefix: str) -> str:
    """256 random bits behind a prefix that says what kind of key it is."""
    return prefix + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class AuditEvent(models.Model):
    """Who did what to what. Rows are added, never changed."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, null=True, related_name="audit")
    actor = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    action = models.CharField(max_length=60, help_text="A verb such as run.cancel or token.create")
    subject = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["workspace", "-at"], name="audit_by_workspace")]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"
