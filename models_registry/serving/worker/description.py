"""What a loaded model tells about itself: methods, inputs, classes, an example. Python 3.6, run by the model worker.

scikit-learn names these things differently over its ages; every way of 0.19 and later is asked, best first.
"""

import importlib
import inspect
import platform
import sys
from typing import Any, Dict, Iterator, List, Optional

# All that take rows and change nothing; a model's first one is called where a request names none.
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "predict_joint_log_proba",
    "decision_function",
    "transform",
    "score_samples",
    "mahalanobis",
    "kneighbors",
    "radius_neighbors",
    "kneighbors_graph",
    "radius_neighbors_graph",
    "apply",
    "decision_path",
    "latent_mean_and_variance",
    "staged_predict",
    "staged_predict_proba",
    "staged_decision_function",
    "inverse_transform",
    "perplexity",
    "aic",
    "bic",
)
# Arguments of these that are no caller's business: checks that can be left out, what must be an array, what is random.
NOT_PARAMS = (
    "X",
    "Y",
    "y",
    "T",
    "K",
    "W",
    "H",
    "copy",
    "check_input",
    "validate_features",
    "dict_type",
    "sample_weight",
)
# What a model takes that takes no table; `takes` of a description is one of these, or "cells".
TAKES = {
    "CountVectorizer": "texts",
    "HashingVectorizer": "texts",
    "LabelEncoder": "values",
    "LabelBinarizer": "values",
    "IsotonicRegression": "values",
    "DictVectorizer": "objects",
    "MultiLabelBinarizer": "lists",
    "PatchExtractor": "images",
}
PACKAGES = ("sklearn", "numpy", "scipy", "joblib", "pandas", "xgboost", "lightgbm", "catboost")
BY_ROW_PACKAGES = ("sklearn", "xgboost", "lightgbm", "catboost")
# A function of somebody; those that iterate until all rows together are near enough; those with another shape for one row.
NOT_BY_ROW = ("FunctionTransformer", "NMF", "MiniBatchNMF", "SparsePCA", "MiniBatchSparsePCA")
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
    `takes` is "cells" (rows of cells), "texts" or "values" (one a row), "objects", "lists" or "images". `params` are
    further arguments of each method.
    """
    names = feature_names(model)
    kind = takes(model)
    width = (len(names) if names else n_features(model)) if kind == "cells" else None
    available = methods(model)
    params = {name: found for name, found in ((name, params_of(model, name)) for name in available) if found}
    return {
        "class": type(model).__name__,
        "module": type(model).__module__,
        "methods": available,
        "default_method": available[0] if available else None,
        "by_row": by_row(model),
        "params": params,
        "takes": kind,
        "n_features": width,
        "feature_names": names,
        "classes": _classes(model),
        "python": python(),
        "versions": versions(),
        "example": _example(model, width, names) if kind == "cells" else _special_example(model, kind),
    }


def methods(model: Any) -> List[str]:
    return [] if isinstance(model, type) else [name for name in METHODS if callable(_get(model, name))]


def params_of(model: Any, method: str) -> List[str]:
    """The names of what `method` takes beside its rows; those of the last step, where a pipeline hands them on."""
    try:
        parameters = list(inspect.signature(getattr(model, method)).parameters.values())[1:]
    except (TypeError, ValueError, AttributeError):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = [each.name for each in parameters if each.kind in named and not each.name.startswith("_")]
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        steps = _get(model, "steps")
        inner = steps[-1][1] if steps else _get(model, "best_estimator_")
        if inner is not None and inner != "passthrough":
            found += params_of(inner, method)
    return [name for name in dict.fromkeys(found) if name not in NOT_PARAMS]


def takes(model: Any) -> str:
    for part in _from_the_input(model):
        bases = [base.__name__ for base in type(part).__mro__ if base.__module__.partition(".")[0] == "sklearn"]
        if "FeatureHasher" in bases:
            return "objects" if _get(part, "input_type") == "dict" else "lists"
        for base in bases:
            if base in TAKES:
                return TAKES[base]
    return "cells"


def knows_none(model: Any, depth: int = 6) -> bool:
    """Whether None itself means something to the model; to all others a missing cell is NaN, as pandas has it."""
    try:
        inside = vars(model) if hasattr(model, "get_params") else {}
    except TypeError:
        inside = {}
    if "missing_values" in inside and inside["missing_values"] is None:
        return True
    categories = inside.get("categories_")
    for group in categories if isinstance(categories, list) else ():
        if getattr(getattr(group, "dtype", None), "kind", "") == "O" and any(value is None for value in group):
            return True
    parts = [part for value in inside.values() for part in _parts(value)]
    return depth > 0 and any(knows_none(part, depth - 1) for part in parts)


def _parts(value: Any) -> Iterator[Any]:
    """Estimators in an attribute: itself, or those of (name, estimator, columns), as pipelines keep them."""
    if hasattr(value, "get_params"):
        yield value
    elif isinstance(value, (list, tuple)) and len(value) <= 100:
        for item in value:
            for part in item if isinstance(item, tuple) else (item,):
                if hasattr(part, "get_params"):
                    yield part


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
        if any(_is_own(value) for part in parts for value in part.get_params(deep=False).values()):
            return False
    except Exception:
        return False
    return all(_package(type(part)) in BY_ROW_PACKAGES and type(part).__name__ not in NOT_BY_ROW for part in parts)


def _is_own(value: Any) -> bool:
    """Whether it is a function that somebody has written, which may compare rows; numpy's `ufunc` work on each cell alone."""
    if not callable(value) or hasattr(value, "get_params") or isinstance(value, type):
        return False
    return type(value).__name__ != "ufunc" and _package(value) not in BY_ROW_PACKAGES


def _package(thing: Any) -> str:
    return str(getattr(thing, "__module__", "")).split(".")[0]


def _from_the_input(model: Any) -> Iterator[Any]:
    """The model, then whatever inside it sees the input first."""
    for _ in range(8):
        if model is None:
            return
        yield model
        model = _behind(model)


def _behind(model: Any) -> Any:
    """What the model hands its input to as it is, or None."""
    for attribute in ("steps", "transformer_list"):
        steps = _get(model, attribute)
        if steps:
            return steps[0][1]
    for attribute in ("best_estimator_", "regressor_", "estimator_"):
        if _get(model, attribute) is not None:
            return _get(model, attribute)
    many = _get(model, "estimators_")
    # Of an ensemble each may see some of the columns only; what it says of its width comes first, and is asked first.
    return many[0] if isinstance(many, list) and many and hasattr(many[0], "get_params") else None


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


def _special_example(model: Any, kind: str) -> Optional[List[Any]]:
    """One row for a model that takes no table."""
    for part in _from_the_input(model):
        if kind == "texts":
            words = _get(part, "vocabulary_") or ("text",)
            return [str(next(iter(words)))]
        classes = _get(part, "classes_")
        first = classes.tolist()[0] if hasattr(classes, "tolist") and len(classes) else None
        if kind == "values" and (first is not None or _get(part, "X_min_") is not None):
            return [first if first is not None else float(part.X_min_)]
        if kind == "lists":
            return [[first if first is not None else "word"]]
        if kind == "objects":
            name = str(next(iter(_get(part, "feature_names_") or ("name",))))
            separator = _get(part, "separator") or "="
            left, there, right = name.partition(separator)
            return [{left: right} if there else {name: 1.0}]
        if kind == "images":
            height, width = _get(part, "patch_size") or (20, 20)
            return [[[0.0] * (int(width) + 1)] * (int(height) + 1)]
    return None


def _fill(row: List[Any], part: Any, positions: List[int]) -> bool:
    for step in _from_the_input(part):
        categories = _get(step, "categories_")
        values = [group[0] for group in categories] if isinstance(categories, list) else None
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
