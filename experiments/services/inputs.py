"""Datasets that a run is given: asked for at its submission, laid out in its folder before the script starts."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from experiments import snapshots
from experiments.models import DatasetVersion, InputMode, Run, RunInput
from experiments.runner import layout
from mlportal.blobs.services import open_blob
from mlportal.errors import BadInput, TooLarge

INPUT_NAME = re.compile(r"[A-Za-z0-9_]{1,100}")
CONSUMPTION = "DatasetConsumptionConfig:"  # how the SDK writes an input among the arguments
REFERENCE = "AZUREML_DATAREFERENCE_"
VARIABLE = re.compile(rf"\A\$({REFERENCE}\w+)", re.ASCII)
FOLDER = "inputs"
DESCRIPTION = "inputs.json"


def give_inputs(run: Run, wishes: Sequence[Mapping[str, str]]) -> None:
    """Give the run these datasets ({name, dataset: uid, mode}); called in the transaction of its submission.

    BadInput for one that is not there, for a name, and for an argument that means an input that is not given.
    """
    _check(wishes, run.arguments)
    uids = {wish["dataset"] for wish in wishes}
    there = DatasetVersion.objects.filter(workspace=run.workspace, uid__in=uids)
    # Their rows are locked by it: whoever deletes a dataset meanwhile finds that this run uses it.
    there.update(touched_at=timezone.now())
    versions = there.in_bulk(field_name="uid")
    for wish in wishes:
        if wish["dataset"] not in versions:
            raise BadInput(f"There is no dataset {wish['dataset']!r} in this workspace.", field="inputs")
    RunInput.objects.bulk_create(
        RunInput(
            run=run,
            name=wish["name"],
            mode=wish.get("mode", InputMode.DIRECT),
            dataset_version=versions[wish["dataset"]],
        )
        for wish in wishes
    )


def wishes_of(run: Run) -> list[dict[str, str]]:
    """What the run was given, as one asks for it."""
    given = run.inputs.select_related("dataset_version")
    return [{"name": one.name, "dataset": one.dataset_version.uid, "mode": one.mode} for one in given]


def lay_out(run: Run, draft: Path, directory: Path) -> None:
    """Copy what the run was given into its folder's draft; `directory` is what the folder will be called."""
    given = list(run.inputs.select_related("dataset_version"))
    if not given:
        return
    (draft / FOLDER).mkdir(mode=0o700)
    described = {}
    for one in given:
        version = one.dataset_version
        files = list(version.files.values_list("path", "blob", "size"))
        manifest = snapshots.Manifest.of(files)
        snapshots.write_to(manifest, draft / FOLDER / one.name, open_blob, mode=0o400)
        place = input_folder(directory, one.name)
        described[one.name] = {
            "uid": version.uid,
            "name": version.name,
            "version": version.version,
            "kind": version.kind,
            "mode": one.mode,
            "definition": version.definition,
            "files": [{"path": path, "size": size, "sha256": sha256} for path, sha256, size in files],
            "path": str(place / files[0][0] if len(files) == 1 else place),
        }
    layout.write_atomically(str(draft / DESCRIPTION), json.dumps(described).encode())


def input_folder(directory: Path, name: str) -> Path:
    """Absolute: a script may change its working directory."""
    return Path(os.path.abspath(directory)) / FOLDER / name


def with_inputs(run: Run, directory: Path, words: Sequence[str]) -> list[str]:
    """The arguments with each input in place of its mark: the folder, or for a direct input the dataset's uid (as Azure).

    A data reference that was made a text names its variable; Azure's shell put the folder there, here no shell runs.
    """
    variables = input_variables(run, directory)
    means = {
        CONSUMPTION + one.name: one.dataset_version.uid
        if one.mode == InputMode.DIRECT
        else str(input_folder(directory, one.name))
        for one in run.inputs.select_related("dataset_version")
    }
    return [
        means.get(word) or VARIABLE.sub(lambda found: variables.get(found[1], found[0]), word, count=1)
        for word in words
    ]


def input_variables(run: Run, directory: Path) -> dict[str, str]:
    return {REFERENCE + one.name: str(input_folder(directory, one.name)) for one in run.inputs.all()}


def _check(wishes: Sequence[Mapping[str, str]], arguments: Sequence[str]) -> None:
    """Refuse names that no folder and no variable could have, and arguments that mean an input that is not there."""
    if len(wishes) > settings.RUN_INPUTS:
        raise TooLarge(
            f"A run is given at most {settings.RUN_INPUTS} datasets (MLPORTAL_RUN_INPUTS).",
            field="inputs",
            limit=settings.RUN_INPUTS,
        )
    names: set[str] = set()
    for wish in wishes:
        name, mode = wish["name"], wish.get("mode", InputMode.DIRECT)
        if not INPUT_NAME.fullmatch(name):
            raise BadInput(f"{name!r} cannot name an input: 1 to 100 letters, digits or underscores.", field="inputs")
        if name.casefold() in names:
            raise BadInput(f"There are two inputs named {name!r}; names differ by more than case.", field="inputs")
        if mode not in InputMode.values:
            raise BadInput(f"{mode!r} is no mode of an input; there are {', '.join(InputMode.values)}.", field="inputs")
        names.add(name.casefold())
    given = {wish["name"] for wish in wishes}
    for word in arguments:
        if word.startswith(CONSUMPTION) and word.removeprefix(CONSUMPTION) not in given:
            raise BadInput(f"There is no input {word.removeprefix(CONSUMPTION)!r} for {word!r}.", field="arguments")
