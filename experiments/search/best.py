"""Which of a metric's numbers is meant, and which of them is its best one."""

from __future__ import annotations

import re
from typing import Final

from .grammar import Field

# What is called so is better the less it is; everything else is better the more it is.
_LESS_IS_BETTER: Final = re.compile(
    r"(?:^|[\W_])(?:\w*loss|\w*error|err|mae|mse|rmse|rmsle|msle|mape|smape|logloss|perplexity|ppl|cost|deviance|"
    r"brier\w*|wer|cer|fpr|fnr|aic|bic|seconds|time|duration|latency|\w+_ms)(?=$|[\W_])",
    re.IGNORECASE,
)
_COLUMNS: Final = {"last": "last", "min": "least", "max": "most"}


def less_is_better(metric: str) -> bool:
    return _LESS_IS_BETTER.search(metric) is not None


def column_of(field: Field) -> str:
    """The column of `Metric` that a metric's field means."""
    stat = field.stat
    if stat == "best":
        stat = "min" if less_is_better(field.key) else "max"
    return _COLUMNS[stat]
