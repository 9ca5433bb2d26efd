"""A CSV goes through a service in pieces, as its callers' requests do: same checks, same log."""

from __future__ import annotations

import io
import tempfile
from typing import IO, Any

import orjson
from asgiref.sync import async_to_sync
from django.conf import settings

from mlportal.errors import BadInput, Conflict, PortalError, TooLarge
from models_registry.models import Deployment
from models_registry.services.keys import pair_of
from models_registry.services.schema import ONE_A_ROW, schema_of
from models_registry.services.scored_files import Piece, ScoredFile
from models_registry.serving.asgi import score

CHUNK = 1 << 20


class NotAnswered(PortalError):
    """The service has refused some rows, or failed at them."""


def score_file(deployment: Deployment, file: IO[bytes], *, method: str = "", first: int = 1) -> IO[bytes]:
    """The rows of the CSV `file` with the service's answers beside them, as an open temporary file at its start.

    All or nothing: BadInput says what is wrong with the file, TooLarge names the setting, NotAnswered is the service's own
    refusal with the rows that it is of.
    """
    if (deployment.live_revision or deployment.revision).entry_script:
        raise BadInput("An entry script answers here: it takes requests as they are, not files.", field="file")
    schema = schema_of(deployment)
    if deployment.signature is None:
        raise Conflict(f"The service {deployment.name} does not answer yet, so nobody knows what it takes.")
    if deployment.signature.get("takes", "cells") not in ("cells", *ONE_A_ROW):
        raise BadInput("The model takes no tables: ask it with JSON.", field="file")
    method = method or schema.default_method
    if method not in schema.methods:
        raise BadInput(f"The model has no {method[:60]!r}; it has {', '.join(schema.methods)}.", field="method")
    folder = str(settings.FILE_UPLOAD_TEMP_DIR)
    output = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (the caller's to close)
    try:
        with tempfile.TemporaryFile(dir=folder) as copy:
            _copy(file, copy)
            lines = io.TextIOWrapper(copy, "utf-8-sig", newline="")
            scored = ScoredFile(lines, schema, method, settings.SERVICE_ROWS, first)
            for piece in scored.pieces():
                output.write(scored.written(piece, _ask(deployment, piece)))
                if output.tell() > settings.SERVICE_FILE_BYTES * 4:
                    raise TooLarge("The answers take too much room: send the file in parts.", field="file")
    except BaseException:
        output.close()
        raise
    output.seek(0)
    return output


def _copy(file: IO[bytes], copy: IO[bytes]) -> None:
    limit = settings.SERVICE_FILE_BYTES
    while chunk := file.read(CHUNK):
        if copy.tell() + len(chunk) > limit:
            raise TooLarge(
                f"The file has more than {limit:,} bytes (MLPORTAL_SERVICE_FILE): send it in parts.",
                field="file",
                limit=limit,
            )
        copy.write(chunk)
    copy.seek(0)


def _ask(deployment: Deployment, piece: Piece) -> Any:
    answer = async_to_sync(score)(deployment.name, pair_of(deployment)[0], piece.body, "application/json")
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        found = None
    if answer.status < 300:
        return found
    said = found.get("error", {}) if isinstance(found, dict) else {}
    refusal = NotAnswered(
        f"Rows {piece.first} to {piece.last}: {said.get('message') or 'the service has not answered'}",
        code=said.get("code") or "not_answered",
        first=piece.first,
        last=piece.last,
    )
    refusal.status = answer.status
    raise refusal
