from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal

if TYPE_CHECKING:  # rest_framework.views imports this module, by its name in the settings
    from rest_framework.request import Request
    from rest_framework.views import APIView


class SignedInUser(BasePermission):
    """People only. What a person may do is decided by `visible_to` and `require`; a run's token opens nothing by default."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User)


class SignedInUserOrRun(BasePermission):
    """For the few endpoints that a running script calls about itself."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User | RunPrincipal)
