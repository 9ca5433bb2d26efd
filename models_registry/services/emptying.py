"""All that runs have made of a workspace goes at once, for who tests in it and begins again."""

from __future__ import annotations

from experiments import services as experiments
from experiments.models import Experiment, Purge, Run
from mlportal.access.models import User, Workspace
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from models_registry.models import Deployment, RegisteredModel
from models_registry.services import deployments, registration


def empty_workspace(workspace: Workspace, *, confirm: str, by: User) -> Purge | None:
    """Delete its services, models, experiments and runs for good, the trash included; None when it had no run.

    Data, environments, compute targets, members and rules stay. `confirm` is the workspace's name. BadInput; Conflict
    `not_ended` while the portal executes a run in it. Broken off half-way, it is asked again and goes on.
    """
    require(Role.OWNER, workspace, by)
    if confirm != workspace.name:
        raise BadInput(f"Confirm with the name of the workspace, {workspace.name}.", field="confirm")
    runs = Run.objects.in_workspace(workspace).filter(purge=None)
    executed = runs.active().filter(compute_target__isnull=False)
    if count := executed.count():
        raise Conflict(
            f"The portal executes {count} of its runs, {executed.first()} among them; cancel them first.",
            code="not_ended",
        )
    record("workspace.empty", by=by, workspace=workspace, runs=runs.count())
    for deployment in Deployment.objects.filter(workspace=workspace):
        deployments.delete(deployment, by=by)
    for model in RegisteredModel.objects.in_workspace(workspace):
        registration.delete_model(model, by=by)
    for run in runs.active():  # their clients are told when they next say something
        run.workspace = workspace
        experiments.cancel_run(run, by=by)
    places = Experiment.objects.in_workspace(workspace)
    for experiment in places.filter(deleted_at=None).exclude(name=experiments.DEFAULT):
        experiment.workspace = workspace
        experiments.trash_experiment(experiment, by=by)
    # MLflow's clients find `Default` at every moment.
    for experiment in places.filter(name=experiments.DEFAULT):
        experiment.workspace = workspace
        experiments.trash_runs_of(experiment, by=by)
    if not runs.exists() and not places.exclude(deleted_at=None).exists():
        return None
    return experiments.purge_runs(workspace, everything=True, by=by)
