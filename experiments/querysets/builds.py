from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import transaction
from django.db.models.functions import Now

from experiments.status import BUILD_FINAL, BUILD_MOVES, BuildStatus
from mlportal.access.querysets import WorkspaceScoped
from mlportal.errors import IllegalMove, StaleState

if TYPE_CHECKING:
    from experiments.models import EnvironmentBuild


class BuildQuerySet(WorkspaceScoped["EnvironmentBuild"]):
    workspace_path = "version__environment__workspace"

    def under_way(self) -> Self:
        return self.exclude(status__in=BUILD_FINAL)

    def move(self, build: EnvironmentBuild, new: BuildStatus, **fields: Any) -> None:
        """The only writer of a build's status; the same rules as for runs."""
        old = BuildStatus(build.status)
        if new not in BUILD_MOVES.get(old, ()):
            raise IllegalMove(
                f"A build that is {old.label.lower()} cannot become {new.label.lower()}.", old=old, new=new
            )
        if new in BUILD_FINAL:
            fields["ended_at"] = Now()
        with transaction.atomic():
            if not self.model.objects.filter(pk=build.pk, status=old).update(status=new, **fields):
                raise StaleState(f"Build {build.pk} was changed by somebody else first.")
        build.refresh_from_db()
