"""One action on many runs. Each is done or refused by itself, by the function that does it to one run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from experiments.models import Run
from experiments.models.experiments import any_name
from experiments.services.moving import move_runs
from experiments.services.runs import cancel_run, remove_tags, set_tags
from experiments.services.submit import clean_tags, get_or_make_experiment
from experiments.services.trash import trash_run
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict, PortalError

ACTIONS = ("cancel", "tag", "trash", "move")


@dataclass(frozen=True)
class Refused:
    """A run to which it was not done, and why."""

    uid: str
    name: str
    code: str
    message: str


@dataclass
class Outcome:
    """`done` counts the runs that were asked for; children that went along are not among them."""

    done: int = 0
    at: datetime | None = None
    """When they were put in the trash, all at one moment."""
    refused: list[Refused] = field(default_factory=list)


def act_on_runs(
    workspace: Workspace,
    runs: QuerySet[Run],
    action: str,
    *,
    set_to: Mapping[str, str | None] | None = None,
    remove: Sequence[str] = (),
    experiment: str = "",
    by: User,
) -> Outcome:
    """Cancel, tag (set some tags, remove others), trash, or move them to the experiment of that name, new or not.

    BadInput when they are more than one request may act on, NotAllowed without the right; then nothing is done.
    """
    require(Role.CONTRIBUTOR, workspace, by)
    limit = settings.BULK_RUNS
    chosen = list(runs.select_related("experiment", "workspace").order_by("pk")[: limit + 1])
    if len(chosen) > limit:
        raise BadInput(f"One request acts on at most {limit} runs (MLPORTAL_BULK_RUNS).", limit=limit)
    outcome = Outcome(at=timezone.now() if action == "trash" else None)
    # An experiment that was made for runs of which none went is not there.
    with transaction.atomic() if action == "move" else nullcontext():
        act = _action(workspace, action, chosen, set_to or {}, remove, experiment, by, outcome.at)
        for run in chosen:
            try:
                with transaction.atomic():
                    act(run)
            except PortalError as error:
                outcome.refused.append(Refused(run.uid, run.display_name, error.code, error.message))
            else:
                outcome.done += 1
        if action == "move" and not outcome.done:
            transaction.set_rollback(True)
    record("runs.bulk", by=by, workspace=workspace, done=outcome.done, refused=len(outcome.refused), what=action)
    return outcome


def _action(
    workspace: Workspace,
    action: str,
    chosen: Sequence[Run],
    set_to: Mapping[str, str | None],
    remove: Sequence[str],
    experiment: str,
    by: User,
    at: datetime | None,
) -> Callable[[Run], object]:
    """What is done to each. BadInput for what would be wrong with every one of them."""
    if action == "cancel":
        return lambda run: cancel_run(run, by=by)
    if action == "trash":
        return lambda run: trash_run(run, by=by, at=at)
    if action == "tag":
        if not set_to and not remove:
            raise BadInput("Name a tag to set or to remove.", field="tags")
        tags = clean_tags(set_to)

        def tag(run: Run) -> None:
            if remove:
                remove_tags(run, list(remove), by=by)
            if tags:
                set_tags(run, tags, by=by)

        return tag
    if action != "move":
        raise BadInput(f"There is no action {action[:50]!r}; there are: {', '.join(ACTIONS)}.", field="action")
    if not experiment:
        raise BadInput("Name the experiment that they are to go to.", field="experiment")
    place = get_or_make_experiment(workspace, experiment, by=by, valid=any_name)  # a folder, too
    going = {run.pk for run in chosen}

    def move(run: Run) -> None:
        if run.parent_id not in going:
            move_runs([run], place, by=by)
        elif not Run.objects.filter(pk=run.pk, experiment=place).exists():  # its parent came before it
            raise Conflict("It goes with its parent, which could not be moved.", code="has_parent")

    return move
