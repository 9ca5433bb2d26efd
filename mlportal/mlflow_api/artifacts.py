"""Artifacts through the portal: `mlflow-artifacts:/<experiment>/<run>/artifacts/<path>`, each a file of the run.

Nothing of a path reaches a file system: bytes are stored by their digest, and a path is a name in the database.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from django.conf import settings
from django.core import signing

from experiments import services
from experiments.models import Artifact, Run
from experiments.services import uploads
from experiments.snapshots import NameRefused, clean_name
from mlportal.blobs.services import Draft, open_blob
from mlportal.mlflow_api.call import Call, Json
from mlportal.mlflow_api.errors import invalid, missing, not_there
from mlportal.mlflow_api.shapes import info_json

MAX_PARTS: Final = 10_000
UPLOADS: Final = "mlflow-multipart"
UPLOAD_SECONDS: Final = 86_400  # as long as uploaded bytes are kept that nothing refers to


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder of a run; "" is the folder of them all."""

    run: Run
    path: str


def place_of(call: Call, path: str) -> Place:
    """Raises INVALID_PARAMETER_VALUE for a path that is none, RESOURCE_DOES_NOT_EXIST for a run that is not the caller's."""
    path = path.removesuffix("/")
    parts = _checked(path).split("/", 3)
    if len(parts) < 3 or parts[2] != "artifacts":
        raise invalid(f"Invalid path {path[:200]!r}: artifacts are at <experiment>/<run>/artifacts/…")
    below = _checked(parts[3]) if len(parts) == 4 else ""  # alone it may have a scheme
    return Place(call.run(parts[1]), below)


def list_run(call: Call) -> Json:
    """mlflow/artifacts/list: paths in the run."""
    run, path = call.run(), call.text("path", required=False)
    folder = _checked(path.removesuffix("/")) if path else ""
    root = str(info_json(run)["artifact_uri"])
    files = [{**entry, "path": posixpath.join(folder, entry["path"])} for entry in _entries(run, folder)]
    return {"root_uri": root, "files": files} if files else {"root_uri": root}


def list_folder(call: Call) -> Json:
    """mlflow-artifacts/artifacts?path=: names in the folder."""
    place = place_of(call, call.text("path"))
    files = _entries(place.run, place.path)
    return {"files": files} if files else {}


def find(call: Call) -> Artifact:
    place = place_of(call, call.path)
    found = Artifact.objects.filter(run=place.run, path=place.path).first()
    if found is None:
        raise not_there(f"No such artifact: '{place.path[:300]}'")
    return found


def open_bytes(found: Artifact) -> BinaryIO:
    return open_blob(found.blob_id)


def draft() -> Draft:
    return Draft(limit())


def write(draft: Draft, piece: bytes) -> None:
    try:
        draft.write(piece)
    except ValueError:
        raise too_large() from None


def limit() -> int:
    return int(min(settings.UPLOAD_MAX_BYTES, settings.RUN_OUTPUT_BYTES))


def check_upload(call: Call) -> None:
    """Before the bytes are read: may they be stored under this path?"""
    if call.path.startswith("part/"):
        _upload_of(call, call.path.split("/", 2)[1])
        return
    place = place_of(call, call.path)
    if not place.path:
        raise invalid("An artifact needs a name.")
    services.require_writer(place.run, call.by)


def store(call: Call, draft: Draft) -> Json:
    place = place_of(call, call.path)
    services.put_artifact(place.run, place.path, draft.store(), by=call.by)
    return {}


def delete(call: Call) -> Json:
    place = place_of(call, call.path)
    services.delete_artifacts(place.run, place.path, by=call.by)
    return {}


def mpu_create(call: Call) -> Json:
    """Each part is put to an address of the portal; its ETag is its digest, and by it the whole is put together."""
    place = _whole_place(call)
    services.require_writer(place.run, call.by)
    count = call.integer("num_parts", 1) or 0
    if not 1 <= count <= MAX_PARTS:
        raise invalid(f"Invalid value {count} for parameter 'num_parts' supplied: from 1 to {MAX_PARTS}.")
    upload = signing.dumps([place.run.uid, place.path], salt=UPLOADS, compress=True)
    base = f"{call.address}/api/2.0/mlflow-artifacts/mpu/part/{quote(upload, safe='')}"
    # The client puts the parts without its own key, so each address comes with the caller's.
    headers = {"Authorization": call.headers.get("authorization", "")}
    parts = [{"url": f"{base}/{number}", "part_number": number, "headers": headers} for number in range(1, count + 1)]
    return {"upload_id": upload, "credentials": parts}


def store_part(call: Call, draft: Draft) -> str:
    """The part's digest."""
    run, _ = _upload_of(call, call.path.split("/", 2)[1])
    return uploads.keep(run.workspace, draft.store(), by=call.by).digest


def mpu_complete(call: Call) -> Json:
    place = _whole_place(call)
    run, path = _upload_of(call, call.text("upload_id"))
    if (run.pk, path) != (place.run.pk, place.path):
        raise invalid("The upload_id belongs to another artifact.")
    parts = sorted(call.objects("parts"), key=lambda part: _part_number(part))
    digests = [str(part.get("etag") or "").strip('"') for part in parts]
    if not digests:
        raise missing("parts")
    sizes = uploads.held(run.workspace, set(digests))
    if absent := [digest for digest in digests if digest not in sizes]:
        raise invalid(f"A part with the etag {absent[0][:100]!r} was not uploaded.")
    if sum(sizes[digest] for digest in digests) > limit():
        raise too_large()
    with draft() as whole:
        for digest in digests:
            with open_blob(digest) as part:
                while piece := part.read(1 << 20):
                    write(whole, piece)
        services.put_artifact(run, path, whole.store(), by=call.by)
    return {}


def mpu_abort(call: Call) -> Json:
    """The parts are nobody's, and go with the next sweep after a day."""
    _whole_place(call)
    _upload_of(call, call.text("upload_id"))
    return {}


def too_large() -> Exception:
    return invalid(f"An artifact has at most {limit()} bytes (MLPORTAL_UPLOAD_MAX_BYTES, MLPORTAL_OUTPUT_LIMIT).")


def _whole_place(call: Call) -> Place:
    """The folder is in the address, the file's name in the body: the client sends its own path to it."""
    folder = place_of(call, call.path)
    name = call.text("path").replace("\\", "/").rpartition("/")[2]
    return Place(folder.run, _checked(posixpath.join(folder.path, name)))


def _upload_of(call: Call, upload: str) -> tuple[Run, str]:
    try:
        run_id, path = signing.loads(upload, salt=UPLOADS, max_age=UPLOAD_SECONDS)
    except signing.BadSignature:
        raise invalid("Invalid upload_id.") from None
    run = call.run(run_id)
    services.require_writer(run, call.by)
    return run, path


def _part_number(part: Json) -> int:
    number: Any = part.get("part_number")
    if type(number) is not int:
        raise missing("parts.part_number")
    return number


def _checked(path: str) -> str:
    """Names with a `#` or a `;` are refused as MLflow refuses them: proxies and clients read these in their own way."""
    try:
        name = clean_name(path)
    except NameRefused as error:
        raise invalid(f"Invalid path: {error}") from None
    if "#" in name or ";" in name:
        raise invalid("Invalid path: the name contains # or ;")
    return name


def _entries(run: Run, folder: str) -> list[Json]:
    """What is right in the folder: files with their sizes, and folders."""
    prefix = f"{folder}/" if folder else ""
    rows: Iterable[tuple[str, int]] = run.artifacts.below(folder).order_by("path").values_list("path", "size")
    found: dict[str, Json] = {}
    for path, size in rows:
        name, below, _ = path.removeprefix(prefix).partition("/")
        if below:
            found[name] = {"path": name, "is_dir": True}
        else:
            found[name] = {"path": name, "is_dir": False, "file_size": size}
    return list(found.values())
