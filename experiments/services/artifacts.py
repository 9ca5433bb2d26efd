"""Files that a run left, by their names in the run."""

from collections.abc import Sequence
from typing import BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Now

from experiments.models import Artifact, Run
from experiments.services import uploads
from experiments.services.logs import STDOUT
from experiments.services.runs import require_writer
from experiments.snapshots import NameRefused, clean_name, refuse_beside
from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.services import record
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
from mlportal.errors import BadInput, Conflict, NotFound, TooLarge


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


@transaction.atomic
def add_artifacts(run: Run, entries: Sequence[uploads.Named], *, by: User | RunPrincipal) -> list[Artifact]:
    """Name bytes of the workspace as files of the run, all or none; by path. The same file again changes nothing.

    Raises Conflict `exists` for a path with other bytes, Conflict `blobs_missing`, TooLarge beyond a run's limits.
    """
    require_writer(run, by)
    run = Run.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=run.pk)
    limits = uploads.Limits(
        files=settings.RUN_OUTPUT_FILES,
        files_setting="MLPORTAL_OUTPUT_FILES",
        size=settings.RUN_OUTPUT_BYTES,
        size_setting="MLPORTAL_OUTPUT_LIMIT",
    )
    manifest = uploads.named_manifest(run.workspace, entries, limits)
    there = {artifact.path: artifact for artifact in run.artifacts.all()}
    new = []
    for entry in manifest.entries:
        known = there.get(entry.name)
        if known is None:
            new.append(entry)
        elif known.blob_id != entry.sha256:
            raise Conflict(f"The run has a file {entry.name!r} with other content.", code="exists", path=entry.name)
    if STDOUT in manifest.names and run.snapshot_id and not run.is_final:
        raise Conflict(f"{STDOUT} is what the script prints; the portal writes it.", code="exists", path=STDOUT)
    with uploads.refusals():
        refuse_beside([entry.name for entry in new], there)
    _refuse_too_much([artifact.size for artifact in there.values()], [entry.size for entry in new])
    Artifact.objects.bulk_create(
        (Artifact(run=run, path=path, blob_id=sha256, size=size) for path, sha256, size in new), batch_size=1000
    )
    total = run.artifacts.aggregate(size=Sum("size", default=0))["size"]
    Run.objects.filter(pk=run.pk).update(output_bytes=total, revision=F("revision") + 1, last_logged_at=Now())
    named = dict.fromkeys(manifest.names)
    return [artifact for artifact in run.artifacts.all() if artifact.path in named]


@transaction.atomic
def put_artifact(run: Run, path: str, blob: Blob, *, by: User | RunPrincipal) -> Artifact:
    """Name stored bytes as a file of the run; a file of this name is replaced. BadInput, TooLarge, Conflict."""
    require_writer(run, by)
    run = Run.objects.select_for_update(of=("self",)).get(pk=run.pk)
    if run.deleted_at is not None:
        raise Conflict("The run is in the trash; restore it first.", code="deleted")
    with uploads.refusals():
        name = clean_name(path)
    there = dict(run.artifacts.values_list("path", "size"))
    if name == STDOUT and run.snapshot_id and not run.is_final:
        raise Conflict(f"{STDOUT} is what the script prints; the portal writes it.", code="exists", path=STDOUT)
    there.pop(name, None)
    with uploads.refusals():
        refuse_beside([name], there)
    _refuse_too_much(list(there.values()), [blob.size])
    artifact, _ = Artifact.objects.update_or_create(run=run, path=name, defaults={"blob": blob, "size": blob.size})
    total = sum(there.values()) + blob.size
    Run.objects.filter(pk=run.pk).update(output_bytes=total, revision=F("revision") + 1, last_logged_at=Now())
    return artifact


@transaction.atomic
def delete_artifacts(run: Run, path: str, *, by: User | RunPrincipal) -> int:
    """Forget a file of the run, or a folder with all that is in it; "" is all. How many files it was."""
    require_writer(run, by)
    Run.objects.filter(pk=run.pk).update(revision=F("revision") + 1)  # takes the row's lock
    rows = run.artifacts.exclude(path=STDOUT) if run.snapshot_id else run.artifacts.all()  # what it printed stays
    if path:
        with uploads.refusals():
            name = clean_name(path)
        rows = rows.filter(path=name) | rows.below(name)
    gone, _ = rows.delete()
    total = run.artifacts.aggregate(size=Sum("size", default=0))["size"]
    Run.objects.filter(pk=run.pk).update(output_bytes=total)
    record("run.delete_files", by=person_behind(by), workspace=run.workspace, subject=run.uid, path=path, files=gone)
    return gone


def _refuse_too_much(there: Sequence[int], new: Sequence[int]) -> None:
    if len(there) + len(new) > settings.RUN_OUTPUT_FILES:
        raise TooLarge(
            f"A run has at most {settings.RUN_OUTPUT_FILES} files (MLPORTAL_OUTPUT_FILES).",
            limit=settings.RUN_OUTPUT_FILES,
        )
    if sum(there) + sum(new) > settings.RUN_OUTPUT_BYTES:
        raise TooLarge(
            f"The files of a run have at most {settings.RUN_OUTPUT_BYTES} bytes (MLPORTAL_OUTPUT_LIMIT).",
            limit=settings.RUN_OUTPUT_BYTES,
        )
