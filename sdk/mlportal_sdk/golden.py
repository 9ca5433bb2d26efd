"""Golden requests: what a model answers to a few rows, written down where it was trained.

    from mlportal_sdk.golden import save_golden_requests
    save_golden_requests(model, {"two irises": X[:2]}, "outputs/golden_requests.json")

The portal takes the file with the model that is registered from beside it. A service of the model is made live only when
it answers alike.
"""

import json
import math
import os
from typing import Any, Dict, List, Mapping, Sequence

FILE_NAME = "golden_requests.json"


def golden_requests(model: Any, rows: Any, methods: Sequence[str] = ("predict",)) -> List[Dict[str, Any]]:
    """The list of `golden_requests.json`: what each method of the model answers. `rows` are a table (lists, an array, a
    DataFrame), or {name: table}."""
    named = rows if isinstance(rows, Mapping) else {"": rows}
    items = []
    for name, table in named.items():
        for method in methods:
            label = name if len(methods) == 1 else "{} {}".format(name, method).strip()
            item = {"method": method, "data": _plain(table), "answer": _plain(getattr(model, method)(table))}
            items.append(dict(item, name=label) if label else item)
    return items


def save_golden_requests(
    model: Any, rows: Any, path: str = os.path.join("outputs", FILE_NAME), methods: Sequence[str] = ("predict",)
) -> str:
    """Write them to `path`, which belongs beside the model's file, or into its folder; returns it."""
    items = golden_requests(model, rows, methods)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(items, file, ensure_ascii=False, allow_nan=False, indent=1)
    return path


def _plain(value: Any) -> Any:
    """As JSON has it: no number is null. Sparse tables become full ones."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    if hasattr(value, "columns") and hasattr(value, "values"):  # a DataFrame: its rows in the order of its columns
        value = value.values
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
