"""What a service takes, from all that is known of it: what the model says of itself, MLflow's signature, a training sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models_registry.models import Deployment, ModelVersion, TrainingSample
from models_registry.services.mlmodel import mlflow_inputs

Column = Mapping[str, Any]
MLFLOW_KINDS: Final = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "int32": "integer",
    "int64": "integer",
    "float": "number",
    "double": "number",
    "float32": "number",
    "float64": "number",
    "string": "text",
    "str": "text",
    "datetime": "time",
}
ONE_A_ROW: Final = ("texts", "values")  # of what a model takes that takes no rows of cells
MOST_CHOICES: Final = 50
FEW_NUMBERS: Final = 12  # different whole numbers that are chosen from a list


@dataclass(frozen=True)
class Field:
    """One of the inputs. `low` to `high` is what the sample has, `usual` its middle 90 %; `choices` are all that it has."""

    name: str
    kind: str = "number"
    default: Any = 0
    low: float | None = None
    high: float | None = None
    usual: tuple[float, float] | None = None
    step: float | None = None
    choices: Sequence[Any] = ()
    has_missing: bool = False


@dataclass(frozen=True)
class Schema:
    """`inputs` are in the order in which rows have them; none: nobody knows. `example` is a row that the service takes.

    `is_named`: the model knows its inputs by name; otherwise the names are the sample's, or made up. `is_text`: a row is one
    text or value, not a list. `known_by` is what tells most of it: sample, mlflow, model or nothing.
    """

    inputs: Sequence[Field] = ()
    methods: Sequence[str] = ()
    default_method: str = "predict"
    classes: Sequence[Any] | None = None
    example: Any = None
    is_named: bool = False
    is_text: bool = False
    known_by: str = ""


def schema_of(deployment: Deployment) -> Schema:
    """Of the version that answers; without inputs where an entry script does, or nothing is known yet."""
    revision = deployment.live_revision or deployment.revision
    describe = deployment.signature or {}
    if revision.entry_script or not describe:
        return Schema()
    versions = revision.versions
    version = versions[0] if len(versions) == 1 else None
    sample = TrainingSample.objects.filter(version=version).first() if version else None
    return combined(describe, version, sample)


def combined(describe: Mapping[str, Any], version: ModelVersion | None, sample: TrainingSample | None) -> Schema:
    methods = list(describe.get("methods") or [])
    row = example_row(describe, version.example if version else None, sample.target if sample else "")
    takes = describe.get("takes") or "cells"
    if takes not in ("cells", *ONE_A_ROW):  # objects, lists, images: no fields, and no columns of a file
        return Schema((), methods, describe.get("default_method") or "predict", describe.get("classes"), row)
    signature = mlflow_inputs(version) if version else []
    names, is_named = _names(describe, signature, sample)
    told = {column["name"]: column for column in sample.columns} if sample else {}
    kinds = {each.get("name"): MLFLOW_KINDS.get(str(each.get("type", "")), "") for each in signature}
    shown = row if isinstance(row, list) else [row]
    defaults = dict(zip(names, shown, strict=False)) if row is not None else {}
    fields = [_field(name, told.get(name), kinds.get(name, ""), defaults.get(name)) for name in names]
    if takes in ONE_A_ROW and not fields:
        fields = [_field(takes[:-1], None, "text" if takes == "texts" else "", row)]
    is_text = len(fields) == 1 and (takes in ONE_A_ROW or (not describe.get("n_features") and fields[0].kind == "text"))
    known_by = "sample" if any(name in told for name in names) else "mlflow" if any(kinds.values()) else "model"
    return Schema(
        inputs=fields,
        methods=methods,
        default_method=describe.get("default_method") or "predict",
        classes=describe.get("classes"),
        example=row,
        is_named=is_named,
        is_text=is_text,
        known_by=known_by if fields else "",
    )


def example_row(describe: Mapping[str, Any], kept: Mapping[str, Any] | None, target: str = "") -> Any:
    """A row for this model: the version's kept one where it fits, else what the model worker made up, else None."""
    row = _fitting(describe, kept, target) if kept and describe else None
    if row is not None:
        return row
    made_up = describe.get("example")
    return made_up[0] if made_up else None


def described(describe: Mapping[str, Any], kept: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What a model worker says of its model, with a real row as the example."""
    row = _fitting(describe, kept, "") if kept and describe else None
    return describe if row is None else {**describe, "example": [row]}


def _fitting(describe: Mapping[str, Any], kept: Mapping[str, Any], target: str) -> Any:
    """The kept row in the model's order of columns; None where the two do not go together."""
    takes = describe.get("takes") or "cells"
    if takes not in ("cells", *ONE_A_ROW):
        return None
    columns, row = kept.get("columns"), kept["row"]
    names, width = describe.get("feature_names"), describe.get("n_features")
    if columns and names:
        if not set(names) <= set(columns):
            return None
        values = dict(zip(columns, row, strict=True))
        return [values[name] for name in names]
    if columns:
        inputs = inputs_of(columns, target or kept.get("target") or "", width)
        values = dict(zip(columns, row, strict=True))
        row = [values[name] for name in inputs]
    if width is None and not names:
        if takes in ONE_A_ROW:
            return row[0] if len(row) == 1 else None
        return row[0] if len(row) == 1 and isinstance(row[0], str) else row
    return row if len(row) == (width or len(names or ())) else None


def inputs_of(columns: Sequence[str], target: str, width: int | None) -> list[str]:
    """The columns that a model takes. Of a table with one column too many, and no target named, the last is predicted."""
    inputs = [name for name in columns if name != target]
    return inputs[:-1] if not target and width is not None and len(inputs) == width + 1 else inputs


def _names(
    describe: Mapping[str, Any], signature: Sequence[Mapping[str, Any]], sample: TrainingSample | None
) -> tuple[list[str], bool]:
    """The names of the inputs, in order, and whether the model goes by them."""
    names, width = describe.get("feature_names"), describe.get("n_features")
    if names:
        return list(names), True
    said = [str(each["name"]) for each in signature if each.get("name")]
    if said and len(said) == len(signature) and width in (None, len(said)):
        return said, width is None
    if sample is not None:
        inputs = inputs_of([column["name"] for column in sample.columns], sample.target, width)
        if width in (None, len(inputs)):
            return inputs, False
    return [f"Input {place}" for place in range(1, (width or 0) + 1)], False


def _field(name: str, column: Column | None, kind: str, value: Any) -> Field:
    if column is None:
        kind = kind or _kind_of(value)
        return Field(name, kind, _fallback(kind) if value is None else value, step=1 if kind == "integer" else None)
    kind, missing = column["kind"], column["missing"] > 0
    values = [each for each, _ in column.get("values", ())]
    complete = len(values) == column["distinct"] > 0
    if kind in ("number", "integer") and "quantiles" in column:
        quantiles = column["quantiles"]
        middle, whole = quantiles[3], kind == "integer"
        return Field(
            name,
            kind,
            round(middle) if whole else _short(middle),
            column["min"],
            column["max"],
            (_short(quantiles[1]), _short(quantiles[5])),
            1 if whole else _step(column["max"] - column["min"]),
            values if whole and complete and len(values) <= FEW_NUMBERS else (),
            missing,
        )
    if kind == "time":
        return Field(name, kind, column.get("max", ""), has_missing=missing)
    choices = values[:MOST_CHOICES] if complete and (kind == "boolean" or column["distinct"] <= MOST_CHOICES) else ()
    return Field(name, kind, values[0] if values else _fallback(kind), choices=choices, has_missing=missing)


def _short(number: float) -> float:
    """As many digits as a person looks at."""
    return float(f"{number:.6g}")


def _step(width: float) -> float | None:
    """A round number, about a hundredth of the width; the width may be infinite."""
    if not 0 < width < 1e300:
        return None
    return float(f"1e{int(f'{width / 100:e}'.partition('e')[2])}")


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number"


def _fallback(kind: str) -> Any:
    return {"text": "", "boolean": False, "time": ""}.get(kind, 0)
