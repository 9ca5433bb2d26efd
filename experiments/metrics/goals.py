"""Which end of a metric is the good one, told from its name: nobody says it when they log."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Goal(StrEnum):
    LOWER = "lower"
    HIGHER = "higher"


# Whole words, so that "terror_f1" and "lossless" are none of them.
_SMALL_IS_GOOD: Final = frozenset(
    {
        "loss", "losses", "logloss", "error", "errors", "err", "mse", "rmse", "mae", "mape", "msle", "rmsle",
        "smape", "aic", "bic", "fpr", "fnr",
        "nll", "bce", "crossentropy", "entropy", "perplexity", "ppl", "deviance", "divergence", "kl",
        "distance", "wer", "cer", "brier", "regret", "cost", "time", "times", "seconds", "secs", "sec", "ms",
        "duration", "latency", "bytes", "memory", "size",
    }
)  # fmt: skip
_TURNED: Final = frozenset({"neg", "negative"})  # scikit-learn's scorers: neg_mean_squared_error is better when higher
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def goal_of(name: str) -> Goal:
    """`Goal.LOWER` for losses, errors and durations; `Goal.HIGHER` for the others and for scikit-learn's `neg_…`."""
    words = {word.lower() for word in _WORDS.findall(name)}
    return Goal.LOWER if words & _SMALL_IS_GOOD and not words & _TURNED else Goal.HIGHER
