from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission

from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal

if TYPE_CHECKING:  # rest_framework.views imports this module, by its name in the settings
    from rest_framework.request import Request
    from rest_framework.views import APIView


RUN_OPENS = (
    "A run's token opens that run and its children, and reads the models and environments of its workspace; "
    "this is not among them. Do it with a person's token."
)


class SignedInUser(BasePermission):
    """People only. What a person may do is decided by `visible_to` and `require`; a run's token opens nothing by default."""

    message = RUN_OPENS  # only a run is signed in and refused

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User)


class SignedInUserAndRunReads(SignedInUser):
    """People, and running scripts that only look."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_reading_run = isinstance(request.user, RunPrincipal) and request.method in SAFE_METHODS
        return is_reading_run or super().has_permission(request, view)


class SignedInUserOrRun(BasePermission):
    """For the few endpoints that a running script calls about itself."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User | RunPrincipal)
