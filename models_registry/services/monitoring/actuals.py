"""What came true: values that are posted later for predictions that were sampled."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mlportal.errors import BadInput, TooLarge
from mlportal.texts import storable
from models_registry.models import ActualValue, Deployment, SampledRequest
from models_registry.services.monitoring.packing import unpack

AT_A_TIME = 500
OPENED = 20  # requests that are in memory at once
LONGEST = 1000
TOLD = 20  # ids that are unknown, of which an answer names that many
ID = re.compile(r"(?P<request>[0-9A-Za-z._:-]{1,64})(?:/(?P<row>[0-9]{1,9}))?")
SHAPE = 'Send [{"id": "<x-request-id>/<row>", "actual": value}, …] or {"id": "<x-request-id>", "actuals": [value, …]}'


@dataclass(frozen=True)
class Given:
    """A value for the row of a request."""

    request: str
    row: int
    value: Any


def read_actuals(body: Any) -> list[Given]:
    """A list of, or one of: {id, actual}, or {id, actuals} with a value a row; null there is not known yet.

    Of several values for one row the last one counts. Raises BadInput that names the item, TooLarge.
    """
    items = body if isinstance(body, list) else [body]
    found: dict[tuple[str, int], Given] = {}
    for number, item in enumerate(items):
        for given in _read(item, f"[{number}]" if isinstance(body, list) else ""):
            found[given.request, given.row] = given
            if len(found) > settings.ACTUALS:
                raise TooLarge(
                    f"At most {settings.ACTUALS} values are taken at once (MLPORTAL_ACTUALS); send the others after them.",
                    limit=settings.ACTUALS,
                )
    if not found:
        raise BadInput(f"There is no value. {SHAPE}.")
    return list(found.values())


def _read(item: Any, place: str) -> Iterator[Given]:
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        raise BadInput(f"{place or 'The body'} has no id. {SHAPE}.", field=f"{place}id")
    if item.keys() - {"id", "actual", "actuals"} or len(item.keys() & {"actual", "actuals"}) != 1:
        raise BadInput(
            f"{place or 'The body'} is an id, and either `actual` or `actuals`. {SHAPE}.", field=place or "id"
        )
    match = ID.fullmatch(item["id"])
    if match is None:
        raise BadInput(
            f"{item['id'][:80]!r} is no id: it is an answer's x-request-id, or that, / and a row.", field=f"{place}id"
        )
    if "actual" in item:
        yield Given(match["request"], int(match["row"] or 0), _value(item["actual"], f"{place}actual"))
        return
    values = item["actuals"]
    if not isinstance(values, list) or match["row"] is not None:
        raise BadInput(
            f"{place}actuals is a list with a value for each row of the request `id`.", field=f"{place}actuals"
        )
    for row, value in enumerate(values):
        if value is not None:
            yield Given(match["request"], row, _value(value, f"{place}actuals[{row}]"))


def _value(value: Any, field: str) -> Any:
    if isinstance(value, str) and len(value) <= LONGEST:
        return storable(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        try:
            if math.isfinite(float(value)):
                return value if isinstance(value, float) or abs(value) < 2**53 else float(value)
        except OverflowError:
            pass
    raise BadInput(
        f"{field} is a finite number, true or false, or a text of at most {LONGEST} characters.", field=field
    )


def record_actuals(deployment: Deployment, given: Iterable[Given]) -> dict[str, Any]:
    """{matched, changed, unchanged, unknown, unknown_ids}: new values, others for rows that had one (the last one counts),
    the same once more, and those of predictions that were not sampled or are not kept any more."""
    wanted: dict[str, list[Given]] = {}
    for one in given:
        wanted.setdefault(one.request, []).append(one)
    told: dict[str, Any] = {"matched": 0, "changed": 0, "unchanged": 0, "unknown": 0, "unknown_ids": []}
    ids = list(wanted)
    for start in range(0, len(ids), AT_A_TIME):
        some = {one: wanted[one] for one in ids[start : start + AT_A_TIME]}
        # What was predicted stays as it is: it is opened before anything is locked, and one request at a time.
        found = deployment.samples.filter(request_id__in=some).iterator(chunk_size=OPENED)
        predicted = {row.request_id: _predicted(row, some[row.request_id]) for row in found}
        with transaction.atomic():
            locked = deployment.samples.filter(request_id__in=predicted).defer("data").select_for_update()
            _record(some, {row.request_id: row for row in locked}, predicted, told)
    return told


def _predicted(row: SampledRequest, given: Iterable[Given]) -> dict[int, tuple[Any, bool]]:
    """{row: (what was predicted, whether that is a class)} of those that are given and there."""
    sampled = unpack(row.data)
    values = sampled.values
    return {
        one.row: (values[one.row], sampled.classes is not None or isinstance(values[one.row], (str, bool)))
        for one in given
        if one.row < len(values)
    }


def _record(
    wanted: Mapping[str, list[Given]],
    rows: Mapping[str, SampledRequest],
    predicted: Mapping[str, Mapping[int, tuple[Any, bool]]],
    told: dict[str, Any],
) -> None:
    there = {(row.sampled_id, row.row): row for row in ActualValue.objects.filter(sampled__in=rows.values())}
    new, changed = [], []
    for name, values in wanted.items():
        request = rows.get(name)
        for given in values:
            if request is None or given.row not in predicted[name]:
                told["unknown"] += 1
                if len(told["unknown_ids"]) < TOLD:
                    told["unknown_ids"].append(f"{given.request}/{given.row}")
            elif before := there.get((request.pk, given.row)):
                if type(before.value) is type(given.value) and before.value == given.value:
                    told["unchanged"] += 1
                else:
                    before.value, before.at = given.value, timezone.now()
                    changed.append(before)
            else:
                prediction, is_class = predicted[name][given.row]
                new.append(
                    ActualValue(
                        sampled=request,
                        row=given.row,
                        value=given.value,
                        predicted=prediction if not isinstance(prediction, (list, dict)) else None,
                        is_class=is_class or isinstance(given.value, (str, bool)),
                    )
                )
    ActualValue.objects.bulk_create(new, batch_size=AT_A_TIME)
    ActualValue.objects.bulk_update(changed, ["value", "at"], batch_size=AT_A_TIME)
    told["matched"] += len(new)
    told["changed"] += len(changed)
