"""What a service is made of, checked before anything of it is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.models import EnvironmentVersion, Snapshot
from experiments.services.submit import clean_variables
from experiments.snapshots import NameRefused, clean_name
from mlportal.access.models import User, Workspace
from mlportal.errors import BadInput
from models_registry.models import ModelVersion, Part, Revision
from models_registry.models.revisions import LABEL_CHARACTERS
from models_registry.services.checks import amount
from models_registry.services.environments import environment_for
from models_registry.services.files import main_file

MAX_MODELS = 100


@dataclass(frozen=True)
class Inference:
    """How models are served otherwise than by themselves: by a script of a snapshot, in an environment."""

    entry_script: str = ""
    snapshot: Snapshot | None = None
    environment: EnvironmentVersion | None = None
    environment_variables: Mapping[str, Any] = field(default_factory=dict)


NO_INFERENCE = Inference()


def make_revision(
    workspace: Workspace,
    versions: Sequence[ModelVersion],
    inference: Inference = NO_INFERENCE,
    *,
    cpu: float | None = None,
    memory_gb: float | None = None,
    accept_changes: bool = False,
    by: User,
) -> Revision:
    """The row of what is wanted. Raises BadInput that says what is missing or does not go together."""
    versions = list(dict.fromkeys(versions))
    if len(versions) > MAX_MODELS:
        raise BadInput(f"A service is made of at most {MAX_MODELS} models.", field="models")
    if any(version.model.workspace_id != workspace.pk for version in versions):
        raise BadInput("The version belongs to another workspace.", field="version")
    inference = _checked(workspace, inference)
    if not inference.entry_script:
        _require_one_that_serves_itself(versions)
    has_script = bool(inference.entry_script)
    environment, note = environment_for(workspace, versions, inference.environment, has_script, by=by)
    assert environment is not None  # somebody deploys, so it is made
    revision = Revision.objects.create(
        workspace=workspace,
        label=_label(versions, inference.entry_script),
        environment_version=environment,
        environment_given=inference.environment is not None,
        note=note,
        entry_script=inference.entry_script,
        snapshot=inference.snapshot,
        environment_variables=inference.environment_variables,
        cpu=amount(cpu, "cpu"),
        memory_gb=amount(memory_gb, "memory_gb"),
        accept_changes=accept_changes,
    )
    Part.objects.bulk_create(Part(revision=revision, version=version) for version in versions)
    return revision


def inference_of(revision: Revision) -> Inference:
    """What it was made with, to make another one like it."""
    return Inference(
        revision.entry_script,
        revision.snapshot,
        revision.environment_version if revision.environment_given else None,
        revision.environment_variables,
    )


def made_of(revision: Revision) -> tuple[Any, ...]:
    """Equal for two that are the same but for when they were made."""
    inference = inference_of(revision)
    script = (inference.entry_script, inference.snapshot, dict(inference.environment_variables))
    what = ([version.pk for version in revision.versions], revision.environment_version_id, *script)
    return (*what, revision.cpu, revision.memory_gb, revision.accept_changes)


def _checked(workspace: Workspace, inference: Inference) -> Inference:
    for of, place in ((inference.snapshot, "snapshot"), (inference.environment, "environment")):
        owner = of.environment if isinstance(of, EnvironmentVersion) else of
        if owner is not None and owner.workspace_id != workspace.pk:
            raise BadInput(f"The {place} belongs to another workspace.", field=f"inference.{place}")
    script = inference.entry_script.strip()
    if bool(script) != (inference.snapshot is not None):
        missing = "snapshot" if script else "entry_script"
        raise BadInput(
            f"An entry script is a file of a snapshot: give inference.{missing}, too.", field=f"inference.{missing}"
        )
    if inference.snapshot is not None:
        try:
            script = clean_name(script.removeprefix("./"))
        except NameRefused as error:
            raise BadInput(str(error), field="inference.entry_script") from None
        if script not in {entry[0] for entry in inference.snapshot.entries}:
            raise BadInput(f"{script!r} is not a file of the snapshot.", field="inference.entry_script")
    return replace(
        inference, entry_script=script, environment_variables=clean_variables(inference.environment_variables)
    )


def _require_one_that_serves_itself(versions: Sequence[ModelVersion]) -> None:
    if not versions:
        raise BadInput("A service without an entry script needs a model.", field="models")
    if len(versions) > 1:
        raise BadInput(
            f"{' and '.join(map(str, versions[:5]))} cannot be served together by themselves: give inference with an "
            "entry_script whose run(…) chooses among them.",
            field="inference",
        )
    if main_file(versions[0]) is None:
        raise BadInput(
            f"{versions[0]} cannot be served: its folder has no single file that is the model. Register the file "
            "itself, name it model.joblib or model.pkl, or give inference with an entry_script that loads it.",
            field="version",
        )


def _label(versions: Sequence[ModelVersion], script: str) -> str:
    models = ", ".join(map(str, versions))
    label = " with ".join(filter(None, (script.rpartition("/")[2], models)))
    return label if len(label) <= LABEL_CHARACTERS else label[: LABEL_CHARACTERS - 1] + "…"
