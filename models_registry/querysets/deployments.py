from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from mlportal.access.querysets import WorkspaceScoped
from mlportal.errors import IllegalMove, StaleState
from models_registry.status import DEPLOYMENT_MOVES, DeploymentStatus

if TYPE_CHECKING:
    from models_registry.models import Deployment


class DeploymentQuerySet(WorkspaceScoped["Deployment"]):
    def move(
        self, deployment: Deployment, new: DeploymentStatus, *, reason: str = "", by: Any = None, **fields: Any
    ) -> None:
        """The only writer of a deployment's status: legal by the table, compare-and-set on status and generation.

        The generation grows with everything that a person asks for, so that a supervisor's report about what was asked
        before never overwrites the answer to what is asked now.
        """
        old = DeploymentStatus(deployment.status)
        if new not in DEPLOYMENT_MOVES[old]:
            raise IllegalMove(
                f"A deployment that is {old.label.lower()} cannot become {new.label.lower()}.", old=old, new=new
            )
        with transaction.atomic():
            won = self.model.objects.filter(pk=deployment.pk, status=old, generation=deployment.generation).update(
                status=new, **fields
            )
            if not won:
                raise StaleState(f"The deployment {deployment.name} was changed by somebody else first.")
            deployment.events.create(old=old, new=new, reason=reason[:2000], actor=by)
        deployment.refresh_from_db()
