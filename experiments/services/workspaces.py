"""A workspace as a person wants it: with the environments that ship with the portal in it."""

from django.db import transaction

from experiments.services.environments import install_curated
from mlportal.access import services as access
from mlportal.access.models import User, Workspace


@transaction.atomic
def create_workspace(name: str, *, description: str = "", by: User) -> Workspace:
    workspace = access.create_workspace(name, description=description, by=by)
    install_curated(workspace)
    return workspace
