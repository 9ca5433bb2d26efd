"""Golden requests: examples of a version with the answers that it owes to them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction

from mlportal.access.models import User
from mlportal.access.principals import RunPrincipal, person_behind
from mlportal.access.services import record
from mlportal.blobs.services import open_blob
from mlportal.errors import BadInput, Conflict, TooLarge
from mlportal.texts import storable
from models_registry.models import GoldenReplay, GoldenRequest, ModelVersion, Revision
from models_registry.models.golden import NAME_CHARACTERS
from models_registry.services.checks import require_changer

FILE: Final = "golden_requests.json"
PROPERTY: Final = "mlportal.golden_requests"
SCRIPT_METHOD: Final = "run"
FIELDS: Final = ("name", "method", "data", "request", "answer", "rtol", "atol")
MAX_DEPTH: Final = 30


@transaction.atomic
def save_golden(
    version: ModelVersion,
    request: Any,
    answer: Any,
    *,
    method: str = "predict",
    name: str = "",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    is_recorded: bool = False,
    by: User | RunPrincipal | None,
) -> GoldenRequest:
    """A request that every service of this version answers like this, or it is not made live.

    `request` is the body, as callers send it: `{"data": [[…], …]}`, or for the method "run" what the entry script takes.
    BadInput names the field; TooLarge the limit; Conflict when the version has one of this name. `by` is None where the
    portal has recorded it itself.
    """
    if by is not None:
        require_changer(version, by)
    ModelVersion.objects.select_for_update().get(pk=version.pk)  # counted, then added to
    there = set(version.golden_requests.values_list("name", flat=True))
    if len(there) >= settings.GOLDEN_REQUESTS:
        raise TooLarge(
            f"A version has at most {settings.GOLDEN_REQUESTS} golden requests (MLPORTAL_GOLDEN_REQUESTS).",
            field="golden",
            limit=settings.GOLDEN_REQUESTS,
        )
    request, answer = _json(request, "request"), _json(answer, "answer")
    size = len(json.dumps([request, answer]))
    if size > settings.GOLDEN_BYTES:
        raise TooLarge(
            f"A golden request has at most {settings.GOLDEN_BYTES} bytes with its answer (MLPORTAL_GOLDEN_SIZE); this one "
            f"has {size}.",
            field="request",
            limit=settings.GOLDEN_BYTES,
        )
    method = _method(method)
    if method != SCRIPT_METHOD:
        request = _of_a_model(request)
    try:
        with transaction.atomic():
            golden = GoldenRequest.objects.create(
                version=version,
                name=_name(name, there),
                method=method,
                request=request,
                answer=answer,
                rtol=_tolerance(rtol, "rtol"),
                atol=_tolerance(atol, "atol"),
                is_recorded=is_recorded,
                created_by=person_behind(by) if by is not None else None,
            )
    except IntegrityError:
        raise Conflict(
            f"{version} has a golden request named {name!r} already; delete it, or call this one otherwise.",
            code="exists",
            field="name",
        ) from None
    record(
        "model.save_golden",
        by=person_behind(by) if by is not None else None,
        workspace=version.model.workspace,
        subject=version,
        golden=golden.name,
    )
    return golden


@transaction.atomic
def save_golden_items(version: ModelVersion, items: Any, *, by: User | RunPrincipal) -> list[GoldenRequest]:
    """All of a list as it is in `golden_requests.json`, or none of it: BadInput says which one is wrong."""
    return [save_golden(version, by=by, **item) for item in read_items(items)]


@transaction.atomic
def delete_golden(golden: GoldenRequest, *, by: User | RunPrincipal) -> None:
    """Services are no longer asked it."""
    require_changer(golden.version, by)
    workspace = golden.version.model.workspace
    record("model.delete_golden", by=person_behind(by), workspace=workspace, subject=golden.version, golden=golden.name)
    golden.delete()


def read_items(items: Any, where: str = "golden") -> list[dict[str, Any]]:
    """The arguments of `save_golden` for each item of a list; BadInput says what is wrong with which."""
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list):
        raise BadInput(f"{where} is a list of objects, each with data or a request, and its answer.", field="golden")
    return [_item(item, f"{where}[{place}]") for place, item in enumerate(items)]


def most_bytes() -> int:
    """Of a file with golden requests."""
    return (settings.GOLDEN_BYTES + 1000) * settings.GOLDEN_REQUESTS


def parse(text: str | bytes, where: str = FILE) -> list[dict[str, Any]]:
    """The same, of JSON. Python's NaN is taken: answers of models have it."""
    if len(text) > most_bytes():
        raise TooLarge(f"{where} is too large (MLPORTAL_GOLDEN_SIZE, MLPORTAL_GOLDEN_REQUESTS).", field="golden")
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} is not JSON: {error}", field="golden") from None
    return read_items(items, where)


def brought_along(files: Mapping[str, str], beside: Mapping[str, str], properties: Mapping[str, Any]) -> list[Any]:
    """The items of `golden_requests.json` among the model's files ({path: digest}) or beside it, and of the property."""
    named = [(path, digest) for path, digest in files.items() if PurePosixPath(path).name == FILE]
    found = min(named, key=lambda pair: len(pair[0]), default=None) or next(iter(beside.items()), None)
    items = []
    if found is not None:
        with open_blob(found[1]) as stream:
            items += parse(stream.read(most_bytes() + 1))
    if PROPERTY in properties:
        items += parse(str(properties[PROPERTY]), f"The property {PROPERTY}")
    return items


def golden_of(revision: Revision) -> list[GoldenRequest]:
    """Those that a service of this revision is asked: a script's by the method "run", a model's by its own methods."""
    wanted = GoldenRequest.objects.filter(version__parts__revision=revision)
    if revision.entry_script:
        return list(wanted.filter(method=SCRIPT_METHOD))
    return list(wanted.exclude(method=SCRIPT_METHOD))


def let_go(versions: Any) -> None:
    """What was refused is no longer kept where one of these versions is to be deleted."""
    held = GoldenReplay.objects.filter(refused__parts__version__in=versions)
    for replay in held.select_related("refused__workspace"):
        refused = replay.refused
        assert refused is not None
        GoldenReplay.objects.filter(pk=replay.pk).update(refused=None)
        Revision.objects.unused(refused.workspace).delete()


def copy_golden(original: ModelVersion, version: ModelVersion) -> None:
    """The copy owes what the original owes by now, not what came with its files."""
    version.golden_requests.all().delete()
    rows = [
        GoldenRequest(
            version=version,
            **{
                field: getattr(row, field)
                for field in ("name", "method", "request", "answer", "rtol", "atol", "is_recorded", "created_by_id")
            },
        )
        for row in original.golden_requests.all()
    ]
    GoldenRequest.objects.bulk_create(rows)


def _item(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise BadInput(f"{where} is no object.", field="golden")
    if unknown := sorted(str(field) for field in item.keys() - set(FIELDS)):
        raise BadInput(f"{where} has {unknown[0]!r}; there are: {', '.join(FIELDS)}.", field="golden")
    if ("data" in item) == ("request" in item):
        raise BadInput(f"{where} has either data (rows) or request (a whole body).", field="golden")
    if "answer" not in item:
        raise BadInput(f"{where} has no answer.", field="golden")
    request = {"data": item["data"]} if "data" in item else item["request"]
    said = {field: item[field] for field in ("name", "method", "rtol", "atol") if item.get(field) is not None}
    if "method" not in said and isinstance(request, Mapping) and isinstance(request.get("method"), str):
        said["method"] = request["method"]
    for field in ("name", "method"):
        if not isinstance(said.get(field, ""), str):
            raise BadInput(f"{where}: {field} is a text.", field="golden")
    return {"request": request, "answer": item["answer"], **said}


def _of_a_model(request: Any) -> dict[str, Any]:
    if not isinstance(request, dict) or not isinstance(request.get("data"), list) or not request["data"]:
        raise BadInput(
            'The request of a model is {"data": [[…], …]}; what an entry script takes has the method "run".',
            field="request",
        )
    return {"data": request["data"]}


def _name(name: str, there: set[str]) -> str:
    name = str(storable(name.strip()))
    if len(name) > NAME_CHARACTERS or any(ord(character) < 32 for character in name):
        raise BadInput(f"A name has at most {NAME_CHARACTERS} characters, in one line.", field="name")
    names = (f"request {number}" for number in range(1, len(there) + 2))
    return name or next(free for free in names if free not in there)


def _method(method: str) -> str:
    if not method.isidentifier() or method.startswith("_") or len(method) > 60:
        raise BadInput(f"{method[:60]!r} cannot be the name of a method.", field="method")
    return method


def _tolerance(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
        raise BadInput(f"{field} is a number of 0 or more.", field=field)
    return float(value)


def _json(value: Any, field: str, depth: int = 0) -> Any:
    """The value as services send it: what is no number is null. Texts that every database takes."""
    if depth > MAX_DEPTH:
        raise BadInput(f"The {field} is nested more than {MAX_DEPTH} deep.", field=field)
    if isinstance(value, Mapping):
        return {str(storable(str(key))): _json(item, field, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item, field, depth + 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 63) <= value < 1 << 64:
        raise BadInput(f"The {field} has a number with too many digits.", field=field)
    if value is None or isinstance(value, str | int):
        return storable(value)
    raise BadInput(f"The {field} is no JSON.", field=field)
