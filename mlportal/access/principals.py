"""Who can stand behind a request: a person, nobody, or one run with its own token."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser

from mlportal.access.models import User


@dataclass(frozen=True)
class RunPrincipal:
    """A running script that calls back. It may see and write its own run and that run's descendants, and nothing else,
    whoever submitted it."""

    run_id: int
    workspace_id: int
    submitted_by: User

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str:
        return f"run-{self.run_id}"

    def get_username(self) -> str:
        return f"run {self.run_id}"

    def has_perm(self, *args: Any, **kwargs: Any) -> bool:
        return False


def person_behind(principal: User | RunPrincipal) -> User:
    """The person, or who submitted the run that asks."""
    return principal.submitted_by if isinstance(principal, RunPrincipal) else principal


Principal = User | AnonymousUser | RunPrincipal
