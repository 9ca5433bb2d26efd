"""The test console of a service: which tabs it has, and what the fields of its form look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from models_registry import services
from models_registry.models import Deployment
from models_registry.services.schema import Field, Schema

TABS: Final = {"form": "Form", "json": "JSON", "csv": "CSV"}


@dataclass(frozen=True)
class Shown:
    """A field as the page has it: all of it text."""

    name: str
    kind: str
    value: str
    choices: list[tuple[str, bool]]
    is_checkbox: bool
    low: str = ""
    high: str = ""
    step: str = "any"
    hint: str = ""
    has_slider: bool = False


def console(deployment: Deployment, *, has_script: bool, asked: str) -> dict[str, Any]:
    """`asked` is the tab of the address; one that is not there is the first."""
    schema = Schema() if has_script else services.schema_of(deployment)
    tabs = [(name, label) for name, label in TABS.items() if name == "json" or not has_script]
    if not schema.inputs:
        tabs = [each for each in tabs if each[0] != "form"]
    names = [name for name, _ in tabs]
    return {
        "schema": schema,
        "console_tabs": tabs,
        "console_tab": asked if asked in names else names[0],
        "console_fields": [_shown(field) for field in schema.inputs],
        "console_classes": orjson.dumps(schema.classes).decode() if schema.classes else "",
    }


def _shown(field: Field) -> Shown:
    if field.kind == "boolean" and not field.has_missing:
        return Shown(field.name, field.kind, "true" if field.default else "", [], True)
    choices = [(_text(choice), choice == field.default) for choice in field.choices]
    if field.kind not in ("number", "integer") or choices or field.low is None or field.high is None:
        step = _text(field.step) or "any"
        return Shown(field.name, field.kind, _text(field.default), choices, False, step=step)
    hint = f"{_brief(field.low)} to {_brief(field.high)}"
    if field.usual and field.usual != (field.low, field.high):
        hint += f", mostly {_brief(field.usual[0])} to {_brief(field.usual[1])}"
    return Shown(
        field.name,
        field.kind,
        _text(field.default),
        [],
        False,
        low=_text(field.low),
        high=_text(field.high),
        step=_text(field.step) or "any",
        hint=hint,
        has_slider=field.step is not None and field.low < field.high,
    )


def _text(value: Any) -> str:
    """As JavaScript and an input of numbers write it: 7.0 is 7."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)


def _brief(number: float) -> str:
    return f"{number:,.4g}" if abs(number) < 1e4 or abs(number) >= 1e15 else f"{number:,.0f}"
