"""What a loaded model tells about itself: methods, inputs, classes, an example. Python 3.6, run by the model worker.

scikit-learn names these things differently over its ages; every way of 0.19 and later is asked, best first.
"""
# ruff: noqa: UP006, UP035, UP045, B905 - Python 3.6

import importlib
import platform
import sys
from typing import Any, Dict, Iterator, List, Optional

METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score_samples",
    "apply",
)
PACKAGES = ("sklearn", "numpy", "scipy", "joblib", "pandas", "xgboost", "lightgbm", "catboost")
BY_ROW_PACKAGES = ("sklearn", "xgboost", "lightgbm", "catboost")
# An estimator that holds another one may pick columns by name inside.
HOLDS_OTHERS = (
    "steps",
    "transformers",
    "transformer_list",
    "estimator",
    "estimators",
    "base_estimator",
    "best_estimator_",
    "regressor",
)
# Fitted attributes whose last dimension is the number of inputs, for models from before n_features_in_.
AS_WIDE_AS_INPUT = (
    "coef_",
    "support_vectors_",
    "cluster_centers_",
    "components_",
    "_fit_X",
    "mean_",
    "scale_",
    "theta_",
    "means_",
    "data_min_",
    "center_",
)


def describe(model: Any) -> Dict[str, Any]:
    """The description that the gateway checks requests against and writes the OpenAPI from. JSON values only.

    `n_features`, `feature_names`, `classes` and `example` (a list of one row) are null where the model does not say.
    """
    names = feature_names(model)
    width = len(names) if names else n_features(model)
    available = methods(model)
    return {
        "class": type(model).__name__,
        "module": type(model).__module__,
        "methods": available,
        "default_method": available[0] if available else None,
        "by_row": by_row(model),
        "n_features": width,
        "feature_names": names,
        "classes": _classes(model),
        "python": python(),
        "versions": versions(),
        "example": _example(model, width, names),
    }


def methods(model: Any) -> List[str]:
    return [name for name in METHODS if callable(_get(model, name))]


def python() -> str:
    return platform.python_version()


def versions() -> Dict[str, str]:
    """The version of each package of interest that loading the model has imported."""
    found = {}
    for name in PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if version:
            found[name] = str(version)
    return found


def feature_names(model: Any) -> Optional[List[str]]:
    for part in _from_the_input(model):
        for attribute in ("feature_names_in_", "_feature_names_in", "_df_columns"):
            names = _get(part, attribute)
            if names is not None and len(names) and all(isinstance(name, str) for name in names):
                return [str(name) for name in names]
    return None


def n_features(model: Any) -> Optional[int]:
    for part in _from_the_input(model):
        for attribute in ("n_features_in_", "n_features_", "_n_features"):
            number = _get(part, attribute)
            if isinstance(number, int) or hasattr(number, "__index__"):
                return int(number)
        for attribute in AS_WIDE_AS_INPUT:
            shape = getattr(_get(part, attribute), "shape", None)
            if shape:
                return int(shape[-1])
    return None


def holds_others(model: Any) -> bool:
    return any(_get(model, name) is not None for name in HOLDS_OTHERS)


def by_row(model: Any) -> bool:
    """Whether the answer for a row is surely made of that row alone, so that rows of several requests may be one call.

    It is so for the libraries that are known here; what people write themselves may compare the rows of a request.
    """
    parts = [model]
    try:
        parts += [part for part in model.get_params(deep=True).values() if hasattr(part, "get_params")]
    except Exception:
        return False
    return all(
        type(part).__module__.split(".")[0] in BY_ROW_PACKAGES and type(part).__name__ != "FunctionTransformer"
        for part in parts
    )


def _from_the_input(model: Any) -> Iterator[Any]:
    """The model, then whatever inside it sees the input first."""
    for _ in range(8):
        if model is None:
            return
        yield model
        steps = _get(model, "steps")
        model = steps[0][1] if steps else _get(model, "best_estimator_")


def _classes(model: Any) -> Optional[List[Any]]:
    classes = _get(model, "classes_")
    return classes.tolist() if hasattr(classes, "tolist") and len(classes) <= 1000 else None


def _example(model: Any, width: Optional[int], names: Optional[List[str]]) -> Optional[List[List[Any]]]:
    """One row of the kind that the model takes: averages of what it saw where it kept them, otherwise zeros."""
    if not width:
        return None
    row: List[Any] = [0.0] * width
    for part in _from_the_input(model):
        transformers = _get(part, "transformers_")
        if transformers:
            for _, transformer, columns in transformers:
                _fill(row, transformer, _positions(columns, width, names))
            break
        if _fill(row, part, list(range(width))):
            break
    return [row]


def _fill(row: List[Any], part: Any, positions: List[int]) -> bool:
    for step in _from_the_input(part):
        categories = _get(step, "categories_")
        values = [group[0] for group in categories] if categories else None
        for attribute in ("statistics_", "mean_", "center_"):
            values = values if values is not None else _get(step, attribute)
        for attribute in ("support_vectors_", "cluster_centers_", "theta_", "means_"):
            many = _get(step, attribute)
            if values is None and getattr(many, "ndim", 0) == 2 and hasattr(many, "mean"):
                values = many.mean(axis=0)
        if values is not None and getattr(values, "ndim", 1) == 1 and len(values) == len(positions):
            for position, value in zip(positions, values):
                value = value.item() if hasattr(value, "item") else value
                row[position] = round(value, 4) if isinstance(value, float) else value
            return True
    return False


def _positions(columns: Any, width: int, names: Optional[List[str]]) -> List[int]:
    if isinstance(columns, slice):
        return list(range(width))[columns]
    columns = [columns] if isinstance(columns, (str, int)) else list(columns)
    if columns and isinstance(columns[0], bool):
        return [position for position, wanted in enumerate(columns) if wanted]
    places = [names.index(column) if names and column in names else column for column in columns]
    return [int(place) for place in places if not isinstance(place, str)]


def _get(thing: Any, name: str) -> Any:
    """`thing.name`, or None: a property of an estimator may raise anything when it does not apply."""
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:
        return False
    return True
