"""Artifacts through the portal, by their `mlflow-artifacts:` addresses (places.py says what is behind each).

Nothing of a path reaches a file system: bytes are stored by their digest, and a path is a name in the database.
"""

from __future__ import annotations

import posixpath
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from django.conf import settings
from django.core import signing

from experiments.services import uploads
from mlportal.blobs.services import Draft, open_blob
from mlportal.mlflow_api import logged_models
from mlportal.mlflow_api.call import Call, Json
from mlportal.mlflow_api.errors import invalid, missing, not_there
from mlportal.mlflow_api.places import Files, Found, LoggedFiles, Place, RunFiles, checked, place_of
from mlportal.mlflow_api.shapes import info_json

MAX_PARTS: Final = 10_000
UPLOADS: Final = "mlflow-multipart"
UPLOAD_SECONDS: Final = 86_400  # as long as uploaded bytes are kept that nothing refers to


def list_run(call: Call) -> Json:
    """mlflow/artifacts/list: paths in the run."""
    run, path = call.run(), call.text("path", required=False)
    folder = checked(path.removesuffix("/")) if path else ""
    root = str(info_json(run)["artifact_uri"])
    files = [{**entry, "path": posixpath.join(folder, entry["path"])} for entry in _entries(RunFiles(run), folder)]
    return {"root_uri": root, "files": files} if files else {"root_uri": root}


def list_model(call: Call) -> Json:
    """logged-models/<id>/artifacts/directories: paths in the model."""
    model = logged_models.find(call, call.names["model_id"])
    path = call.text("artifact_directory_path", required=False)
    folder = checked(path.removesuffix("/")) if path else ""
    root = str(logged_models.model_json(model)["info"]["artifact_uri"])
    files = [{**entry, "path": posixpath.join(folder, entry["path"])} for entry in _entries(LoggedFiles(model), folder)]
    return {"root_uri": root, "files": files} if files else {"root_uri": root}


def list_folder(call: Call) -> Json:
    """mlflow-artifacts/artifacts?path=: names in the folder."""
    place = place_of(call, call.text("path"))
    files = _entries(place.files, place.path)
    return {"files": files} if files else {}


def find(call: Call) -> Found:
    place = place_of(call, call.path)
    found = place.files.find(place.path)
    if found is None:
        raise not_there(f"No such artifact: '{place.path[:300]}'")
    return found


def open_bytes(found: Found) -> BinaryIO:
    return found.open()


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
    place.files.check_writer(call)


def store(call: Call, draft: Draft) -> Json:
    place = place_of(call, call.path)
    place.files.put(call, place.path, draft.store())
    return {}


def delete(call: Call) -> Json:
    place = place_of(call, call.path)
    place.files.delete(call, place.path)
    return {}


def mpu_create(call: Call) -> Json:
    """Each part is put to an address of the portal; its ETag is its digest, and by it the whole is put together."""
    address = _whole_address(call)
    place_of(call, address).files.check_writer(call)
    count = call.integer("num_parts", 1) or 0
    if not 1 <= count <= MAX_PARTS:
        raise invalid(f"Invalid value {count} for parameter 'num_parts' supplied: from 1 to {MAX_PARTS}.")
    upload = signing.dumps(address, salt=UPLOADS, compress=True)
    base = f"{call.address}/api/2.0/mlflow-artifacts/mpu/part/{quote(upload, safe='')}"
    # The client puts the parts without its own key, so each address comes with the caller's.
    headers = {"Authorization": call.headers.get("authorization", "")}
    parts = [{"url": f"{base}/{number}", "part_number": number, "headers": headers} for number in range(1, count + 1)]
    return {"upload_id": upload, "credentials": parts}


def store_part(call: Call, draft: Draft) -> str:
    """The part's digest."""
    place = _upload_of(call, call.path.split("/", 2)[1])
    return uploads.keep(place.files.workspace, draft.store(), by=call.by).digest


def mpu_complete(call: Call) -> Json:
    place = _upload_of(call, call.text("upload_id"), _whole_address(call))
    parts = sorted(call.objects("parts"), key=lambda part: _part_number(part))
    digests = [str(part.get("etag") or "").strip('"') for part in parts]
    if not digests:
        raise missing("parts")
    sizes = uploads.held(place.files.workspace, set(digests))
    if absent := [digest for digest in digests if digest not in sizes]:
        raise invalid(f"A part with the etag {absent[0][:100]!r} was not uploaded.")
    if sum(sizes[digest] for digest in digests) > limit():
        raise too_large()
    with draft() as whole:
        for digest in digests:
            with open_blob(digest) as part:
                while piece := part.read(1 << 20):
                    write(whole, piece)
        place.files.put(call, place.path, whole.store())
    return {}


def mpu_abort(call: Call) -> Json:
    """The parts are nobody's, and go with the next sweep after a day."""
    _whole_address(call)
    _upload_of(call, call.text("upload_id"))
    return {}


def too_large() -> Exception:
    return invalid(f"An artifact has at most {limit()} bytes (MLPORTAL_UPLOAD_MAX_BYTES, MLPORTAL_OUTPUT_LIMIT).")


def _whole_address(call: Call) -> str:
    """The folder is in the address, the file's name in the body: the client sends its own path to it."""
    name = call.text("path").replace("\\", "/").rpartition("/")[2]
    return checked(posixpath.join(call.path.removesuffix("/"), name))


def _upload_of(call: Call, upload: str, address: str | None = None) -> Place:
    """Where the parts of this upload go, for who may write there; `address` is where its caller says that it goes."""
    try:
        signed = signing.loads(upload, salt=UPLOADS, max_age=UPLOAD_SECONDS)
    except signing.BadSignature:
        raise invalid("Invalid upload_id.") from None
    if address not in (None, signed):
        raise invalid("The upload_id belongs to another artifact.")
    place = place_of(call, signed)
    place.files.check_writer(call)
    return place


def _part_number(part: Json) -> int:
    number: Any = part.get("part_number")
    if type(number) is not int:
        raise missing("parts.part_number")
    return number


def _entries(files: Files, folder: str) -> list[Json]:
    """What is right in the folder: files with their sizes, and folders."""
    prefix = f"{folder}/" if folder else ""
    found: dict[str, Json] = {}
    for path, size in files.list(folder):
        name, below, _ = path.removeprefix(prefix).partition("/")
        if below:
            found[name] = {"path": name, "is_dir": True}
        else:
            found[name] = {"path": name, "is_dir": False, "file_size": size}
    return list(found.values())
