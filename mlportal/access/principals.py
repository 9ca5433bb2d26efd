"""Who can stand behind a request: a person, nobody, or one run with its own token."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser

from mlportal.access.models import User


@dataclass(frozen=True)
class RunPrincipal:
    """A running script that calls back. It may see and write its own run, and nothing else, whoever submitted it."""

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


Principal = User | AnonymousUser | RunPrincipal
