"""Metrics: what scripts log, as columns, summaries and thinned curves."""

from .azure_view import run_metrics
from .codec import BadChunk, merge, pack, unpack
from .goals import Goal, goal_of
from .jsonsafe import encode
from .logged import Kind, Logged
from .records import Batch, Ending, Limits, read_batch
from .series import Series
from .summary import Summary
from .thin import MIN_POINTS, thin

__all__ = [
    "MIN_POINTS",
    "BadChunk",
    "Batch",
    "Ending",
    "Goal",
    "Kind",
    "Limits",
    "Logged",
    "Series",
    "Summary",
    "encode",
    "goal_of",
    "merge",
    "pack",
    "read_batch",
    "run_metrics",
    "thin",
    "unpack",
]
