"""A run's logs: chunks in the database while it lives, artifacts afterwards; a reader need not know which."""

from dataclasses import dataclass

from django.db.models import Max
from django.db.models.functions import Length

from experiments.models import Artifact, LogChunk, Run
from mlportal.blobs import services as blobs
from mlportal.errors import BadInput, NotFound

STDOUT = "user_logs/std_log.txt"
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class LogFile:
    name: str
    size: int


@dataclass(frozen=True)
class LogPart:
    """`data` are the bytes at `offset`; ask next at `next_offset`. `complete`: no byte will ever come after `size`."""

    data: bytes
    offset: int
    next_offset: int
    size: int
    complete: bool


def log_files(run: Run) -> list[LogFile]:
    """The script's output first, then every file of ./logs by name."""
    stored = run.artifacts.filter(path=STDOUT) | run.artifacts.below("logs")
    sizes = {artifact.path: artifact.size for artifact in stored}
    for name, end in _live_ends(run).items():
        sizes.setdefault(name, end)
    return [LogFile(name, sizes[name]) for name in sorted(sizes, key=lambda name: (name != STDOUT, name))]


def read_log(run: Run, name: str, offset: int = 0, limit: int = 1 << 20) -> LogPart:
    """At most `limit` bytes from `offset` on. NotFound when the run has no such log (yet)."""
    if offset < 0 or limit < 1:
        raise BadInput("offset counts from 0 and limit from 1.", field="offset")
    artifact = (
        Artifact.objects.filter(run=run, path=name).first() if name == STDOUT or name.startswith("logs/") else None
    )
    if artifact:
        with blobs.open_blob(artifact.blob_id) as stream:
            stream.seek(min(offset, artifact.size))
            data = stream.read(limit)
        return LogPart(data, offset, offset + len(data), artifact.size, True)
    size = _live_ends(run).get(name)
    if size is None:
        if name == STDOUT:
            return LogPart(b"", offset, offset, 0, run.is_final)
        raise NotFound(f"The run has no log named {name!r}.")
    data = _read_chunks(run, name, offset, limit)
    return LogPart(data, offset, offset + len(data), size, False)


def append_log(run: Run, name: str, offset: int, data: bytes) -> None:
    """Add bytes at their offset; called in the transaction that moves the file's offset. Small chunks are merged."""
    last = LogChunk.objects.filter(run=run, name=name).order_by("-offset").first()
    if last and len(last.data) + len(data) <= CHUNK_BYTES:
        last.data = bytes(last.data) + data
        last.save(update_fields=["data"])
        return
    for start in range(0, len(data), CHUNK_BYTES):
        LogChunk.objects.create(run=run, name=name, offset=offset + start, data=data[start : start + CHUNK_BYTES])


def _live_ends(run: Run) -> dict[str, int]:
    last = run.log_chunks.order_by().values("name").annotate(start=Max("offset"))
    starts = {row["name"]: row["start"] for row in last}
    lengths = run.log_chunks.filter(offset__in=set(starts.values())).annotate(length=Length("data"))
    return {
        name: start + length
        for name, start, length in lengths.values_list("name", "offset", "length")
        if starts[name] == start
    }


def _read_chunks(run: Run, name: str, offset: int, limit: int) -> bytes:
    chunks = run.log_chunks.filter(name=name, offset__gt=offset - CHUNK_BYTES, offset__lt=offset + limit).order_by(
        "offset"
    )
    part = bytearray()
    for chunk in chunks.iterator(chunk_size=16):
        data = bytes(chunk.data)
        if chunk.offset + len(data) > offset:
            part += data[max(0, offset - chunk.offset) :]
    return bytes(part[:limit])
