"""The language in which runs and experiments are looked for: MLflow's, with OR, NOT and parentheses added.

metrics.`val loss` < 0.5 AND (params.kernel = 'rbf' OR tags."team" LIKE 'a%') AND attributes.status = 'FINISHED'
"""

from .asked import COLUMN_ATTRIBUTES, LABELS, PARAMETERS, Asked
from .attributes import ATTRIBUTES, MLFLOW_STATUS
from .experiments import search_experiments
from .found import FEW, GROUPED, Found, Wanted
from .grammar import STATS, Field
from .groups import Group, groups_of, label_of_value, value_of_address
from .logged_models import ModelOrder, OnDataset, search_logged_models
from .runs import search_runs
from .tokens import BadSearch
from .values import Names, values_of

__all__ = [
    "ATTRIBUTES",
    "COLUMN_ATTRIBUTES",
    "FEW",
    "GROUPED",
    "LABELS",
    "MLFLOW_STATUS",
    "PARAMETERS",
    "STATS",
    "Asked",
    "BadSearch",
    "Field",
    "Found",
    "Group",
    "ModelOrder",
    "Names",
    "OnDataset",
    "Wanted",
    "groups_of",
    "label_of_value",
    "search_experiments",
    "search_logged_models",
    "search_runs",
    "value_of_address",
    "values_of",
]
