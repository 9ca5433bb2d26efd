"""Files that a run left, by their names in the run."""

from typing import BinaryIO

from experiments.models import Artifact, Run
from experiments.snapshots import NameRefused, clean_name
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, NotFound


def artifact(run: Run, path: str) -> Artifact:
    """The artifact of this name; BadInput for a name that no file may have, NotFound when there is none."""
    try:
        name = clean_name(path)
    except NameRefused as error:
        raise BadInput(str(error), field="path") from None
    found = Artifact.objects.filter(run=run, path=name).first()
    if found is None:
        raise NotFound(f"The run has no file named {name!r}.")
    return found


def open_artifact(found: Artifact) -> BinaryIO:
    return blobs.open_blob(found.blob_id)
