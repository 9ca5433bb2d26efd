"""Names that libraries have taken away: which release did, and a day on which resolving still finds the older one.

`before` is the day before the release that removed the name came out on PyPI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

REMOVED_NAME = "removed_name"
MISSING_PACKAGE = "missing_package"


@dataclass(frozen=True, slots=True)
class Hint:
    """What a person can do about a failure. `kind`: removed_name or missing_package."""

    kind: str
    text: str
    suggested_as_of: date | None = None


@dataclass(frozen=True, slots=True)
class _Removal:
    pattern: re.Pattern[str]
    release: str
    before: date


def _removed(release: str, before: date, *patterns: str) -> list[_Removal]:
    return [_Removal(re.compile(pattern), release, before) for pattern in patterns]


_SKLEARN_1_2 = "load_boston|plot_(?:confusion_matrix|roc_curve|precision_recall_curve|det_curve|partial_dependence)"

_REMOVALS = [
    *_removed(
        "numpy 1.24",
        date(2022, 12, 17),
        r"module 'numpy' has no attribute '(?:float|int|bool|object|str|complex|long|unicode)'",
        r"cannot import name '(?:float|int|bool|object|str|complex|long|unicode)' from 'numpy'",
    ),
    *_removed(
        "numpy 2.0",
        date(2024, 6, 15),
        r"`np\.\w+` was removed in the NumPy 2\.0 release",
        r"module 'numpy' has no attribute '(?:product|cumproduct|alltrue|sometrue|round_)'",
    ),
    *_removed(
        "scikit-learn 0.20",
        date(2018, 9, 24),
        r"No module named 'sklearn\.(?:cross_validation|grid_search|learning_curve)'",
        r"cannot import name '(?:cross_validation|grid_search|learning_curve)' from 'sklearn'",
        r"cannot import name '(?:cross_validation|grid_search)'$",
    ),
    *_removed(
        "scikit-learn 0.22",
        date(2019, 12, 1),
        r"cannot import name 'Imputer'",
        r"module 'sklearn\.preprocessing' has no attribute 'Imputer'",
    ),
    *_removed(
        "scikit-learn 0.23",
        date(2020, 5, 11),
        r"cannot import name '(?:joblib|six|funcsigs)' from 'sklearn\.externals'",
        r"No module named 'sklearn\.externals(?:\.\w+)*'",
        r"module 'sklearn\.externals' has no attribute '(?:joblib|six)'",
        r"cannot import name 'jaccard_similarity_score'",
    ),
    *_removed(
        "scikit-learn 0.24",
        date(2020, 12, 21),
        r"No module named 'sklearn\.(?:linear_model\.(?:logistic|base|stochastic_gradient)|ensemble\.(?:forest|bagging|"
        r"gradient_boosting|weight_boosting)|svm\.(?:classes|base)|tree\.tree|neighbors\.(?:base|classification)|"
        r"metrics\.(?:classification|scorer|regression)|utils\.(?:testing|linear_assignment_)|datasets\.(?:base|"
        r"samples_generator)|preprocessing\.(?:data|label|imputation)|feature_selection\.base|cluster\.k_means_)'",
    ),
    *_removed(
        "scikit-learn 1.2",
        date(2022, 12, 7),
        rf"cannot import name '(?:{_SKLEARN_1_2})'",
        r"`load_boston` has been removed from scikit-learn",
        rf"module 'sklearn\.\w+' has no attribute '(?:{_SKLEARN_1_2})'",
        r"has no attribute 'get_feature_names'",
        r"__init__\(\) got an unexpected keyword argument 'normalize'",
    ),
    *_removed(
        "scikit-learn 1.4",
        date(2024, 1, 15),
        r"OneHotEncoder\.__init__\(\) got an unexpected keyword argument 'sparse'",
        r"__init__\(\) got an unexpected keyword argument 'base_estimator'",
    ),
    *_removed(
        "scikit-learn 1.6",
        date(2024, 12, 8),
        r"got an unexpected keyword argument 'squared'",
    ),
    *_removed(
        "pandas 1.0",
        date(2020, 1, 28),
        r"'(?:DataFrame|Series)' object has no attribute '(?:ix|as_matrix|get_value|set_value|get_dtype_counts)'",
        r"module 'pandas' has no attribute '(?:Panel|read_msgpack)'",
    ),
    *_removed(
        "pandas 2.0",
        date(2023, 4, 2),
        r"'(?:DataFrame|Series)' object has no attribute '(?:append|iteritems|mad|lookup)'",
        r"module 'pandas' has no attribute '(?:Int64Index|Float64Index|UInt64Index|datetime)'",
        r"cannot import name '(?:Int64Index|Float64Index|UInt64Index)' from 'pandas'",
    ),
    *_removed(
        "scipy 1.3",
        date(2019, 5, 16),
        r"(?:module 'scipy\.misc' has no attribute|cannot import name) '(?:imread|imresize|imsave|imrotate|logsumexp)'",
    ),
]
_MISSING = re.compile(r"No module named '([\w.]+)'")


def hint_for(exception: str, message: str) -> Hint | None:
    """A hint for an exception's type and message, or None when there is none to give."""
    for removal in _REMOVALS:
        if found := removal.pattern.search(message):
            return Hint(
                REMOVED_NAME,
                f"{found[0]}: {removal.release} removed it. Re-running with the environment resolved as of "
                f"{removal.before.isoformat()}, the day before that release, brings it back.",
                removal.before,
            )
    if exception == "ModuleNotFoundError" and (found := _MISSING.search(message)):
        package = found[1].partition(".")[0]
        return Hint(MISSING_PACKAGE, f"The environment has no package that provides '{package}': add it to the YAML.")
    return None
