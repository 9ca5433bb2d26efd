"""Training samples: rows that a version was trained on, and what they say of each column."""

from __future__ import annotations

import csv
import fcntl
import io
import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from django.conf import settings
from django.db import transaction

from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.services import record
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, Busy, NotFound, PortalError, TooLarge
from mlportal.texts import guarded, storable
from models_registry.models import ModelVersion, TrainingSample
from models_registry.services.checks import require_changer
from models_registry.services.mlmodel import mlflow_inputs
from models_registry.tables import Limits, Read, TableRefused, arrays_of, plain, read_table

FILES = ("training_sample.csv", "training_sample.parquet")
USUAL_TARGETS = ("target", "label", "y")
PIECE = 256 * 1024
LONGEST_EXAMPLE = 1000  # characters of a text
LOCK = "reading-a-table.lock"
PATIENCE_SECONDS, PATIENCE_OF_A_TASK = 10.0, 300.0
LOOKED_AT = 50  # rows, for one without a missing value
CHUNK = 1 << 20


def attach_sample(
    version: ModelVersion, file: IO[bytes], *, target: str = "", source: str = "", by: User | RunPrincipal
) -> TrainingSample:
    """Keep rows of this CSV or Parquet file, with a line of column names, as the version's sample; it takes the place of the
    one before. `target` names the column that is predicted. `source` is what people read of where it came from.

    Raises BadInput saying what is wrong with the file, TooLarge naming the setting. Reading takes a while: not for inside of
    a transaction.
    """
    require_changer(version, by)
    return _keep(version, read(file), target=target, source=source, by=person_behind(by))


def take_sample(version: ModelVersion) -> str:
    """Keep the file `training_sample.csv` or `.parquet` that is among the version's files, or beside them in its run, as its
    sample. What is wrong with it; "" otherwise, and where there is none. One that somebody has attached stays.
    """
    if TrainingSample.objects.filter(version=version).exists():
        return ""
    found = _beside(version)
    if found is None:
        return ""
    path, digest = found
    try:
        with blobs.open_blob(digest) as stream:
            table = read(stream, patience=PATIENCE_OF_A_TASK)
    except PortalError as error:
        return f"{path}: {error.message}"
    inputs = {each.get("name") for each in mlflow_inputs(version)}
    names = [column["name"] for column in table.columns]
    target = next((name for name in USUAL_TARGETS if name in names and name not in inputs), "")
    _keep(version, table, target=target, source=path, by=version.created_by)
    return ""


def _beside(version: ModelVersion) -> tuple[str, str] | None:
    """(path, digest) of the file that is called so, and is nearest to the top."""
    files = [(file.path, file.blob_id) for file in version.files.all() if PurePosixPath(file.path).name in FILES]
    if not files and version.run is not None and not version.logged_model_id:
        folder = PurePosixPath(version.path).parent
        beside = [str(folder / name) for name in FILES]
        files = list(version.run.artifacts.filter(path__in=beside).values_list("path", "blob_id"))
    return min(files, key=lambda each: (each[0].count("/"), each[0]), default=None)


def read(file: IO[bytes], *, patience: float = PATIENCE_SECONDS) -> Read:
    """What is in the file; nothing is written. Raises BadInput, TooLarge, and Busy after so many seconds of waiting."""
    folder = str(settings.FILE_UPLOAD_TEMP_DIR)
    limits = Limits(
        rows=settings.SAMPLE_ROWS,
        columns=settings.SAMPLE_COLUMNS,
        cells=settings.SAMPLE_CELLS,
        bytes=settings.SAMPLE_BYTES,
    )
    with tempfile.TemporaryFile(dir=folder) as copy:
        while chunk := file.read(CHUNK):
            if copy.tell() + len(chunk) > settings.SAMPLE_BYTES:
                raise TooLarge(
                    f"The sample has more than {settings.SAMPLE_BYTES:,} bytes (MLPORTAL_SAMPLE_BYTES): hand over some"
                    " of its rows.",
                    field="file",
                    limit=settings.SAMPLE_BYTES,
                )
            copy.write(chunk)
        copy.flush()
        try:
            with _alone(folder, patience):
                return read_table(copy, limits, folder)
        except TableRefused as error:
            raise BadInput(f"This file is no training sample. {error}", field="file") from None


@contextmanager
def _alone(folder: str, patience: float) -> Iterator[None]:
    """One at a time on this machine: each may take 2 GB."""
    end = time.monotonic() + patience
    with Path(folder, LOCK).open("ab") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise Busy("Other samples are being read; try again in a moment.") from None
                time.sleep(0.05)
        yield


def _keep(version: ModelVersion, found: Read, *, target: str, source: str, by: User | None) -> TrainingSample:
    """What was read is the version's sample from now on."""
    names = [column["name"] for column in found.columns]
    if target and target not in names:
        listed = ", ".join(names[:10])
        raise BadInput(f"The sample has no column {target[:60]!r} to predict; it has {listed}.", field="target")
    with transaction.atomic():
        blob = blobs.put(io.BytesIO(found.csv))
        sample, _ = TrainingSample.objects.update_or_create(
            version=version,
            defaults={
                "blob": blob,
                "size": blob.size,
                "rows": found.rows,
                "of_rows": found.of_rows,
                "columns": storable(found.columns),
                "target": target,
                "source": str(storable(source))[:1024],
                "created_by": by,
            },
        )
        version.example = storable({"columns": names, "row": _example(found), "target": target})
        version.save(update_fields=["example"])
        record("model.sample", by=by, workspace=version.model.workspace, subject=version, rows=found.of_rows)
    return sample


def _example(found: Read) -> list[Any]:
    """The first row without a missing value, else the first."""
    kinds = [column["kind"] for column in found.columns]
    rows = list(itertools.islice(csv.reader(io.StringIO(found.csv.decode(), newline="")), 1, LOOKED_AT + 1))
    row = next((row for row in rows if all(row)), rows[0])
    return [plain(kind, cell[:LONGEST_EXAMPLE]) for kind, cell in zip(kinds, row, strict=True)]


@transaction.atomic
def remove_sample(version: ModelVersion, *, by: User | RunPrincipal) -> None:
    """NotFound when there is none."""
    require_changer(version, by)
    deleted, _ = TrainingSample.objects.filter(version=version).delete()
    if not deleted:
        raise NotFound(f"{version} has no training sample.")
    version.example = (version.mlmodel or {}).get("example")
    version.save(update_fields=["example"])
    record("model.remove_sample", by=person_behind(by), workspace=version.model.workspace, subject=version)


def sample_of(version: ModelVersion) -> TrainingSample | None:
    return TrainingSample.objects.filter(version=version).first()


def read_sample(version: ModelVersion) -> dict[str, Any]:
    """{column: numpy array} of the rows kept; see `tables.arrays_of` for their types. NotFound when there is no sample."""
    sample = sample_of(version)
    if sample is None:
        raise NotFound(f"{version} has no training sample.")
    names, *rows = cells_of(sample)
    return arrays_of(names, {column["name"]: column["kind"] for column in sample.columns}, rows)


def cells_of(sample: TrainingSample) -> Iterator[list[str]]:
    """The line of names, then each row, as they are kept: an empty cell is a missing value."""
    with blobs.open_blob(sample.blob_id) as stream:
        yield from csv.reader(io.TextIOWrapper(stream, "utf-8", newline=""))


def as_csv(sample: TrainingSample) -> Iterator[bytes]:
    """The rows kept, for people and their spreadsheets."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    for row in cells_of(sample):
        writer.writerow([guarded(cell) for cell in row])
        if buffer.tell() > PIECE:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def copy_sample(original: ModelVersion, copy: ModelVersion) -> None:
    """The copy of a version was trained on what the original was."""
    sample = sample_of(original)
    if sample is not None:
        sample.pk, sample.version, sample._state.adding = None, copy, True
        sample.save(force_insert=True)
        copy.example = original.example
        copy.save(update_fields=["example"])
