"""The language in which runs and experiments are looked for: MLflow's, with OR, NOT and parentheses added.

metrics.`val loss` < 0.5 AND (params.kernel = 'rbf' OR tags."team" LIKE 'a%') AND attributes.status = 'FINISHED'
"""

from .experiments import search_experiments
from .logged_models import ModelOrder, OnDataset, search_logged_models
from .runs import MLFLOW_STATUS, search_runs
from .tokens import BadSearch

__all__ = [
    "MLFLOW_STATUS",
    "BadSearch",
    "ModelOrder",
    "OnDataset",
    "search_experiments",
    "search_logged_models",
    "search_runs",
]
