"""Watching services: what was measured of their requests, what they were asked and answered, and what came true of it."""

from models_registry.services.monitoring.accuracy import live_accuracy
from models_registry.services.monitoring.actuals import read_actuals, record_actuals
from models_registry.services.monitoring.drift import (
    COMPARE,
    ask_for_comparison,
    compare_deployment,
    compare_where_new,
    model_of,
)
from models_registry.services.monitoring.exporting import csv_of_samples, parquet_of_samples
from models_registry.services.monitoring.exposition import exposition
from models_registry.services.monitoring.keeping import keep_measures, measure_replicas, tidy_measures
from models_registry.services.monitoring.sampling import keep_samples, samples_table, tidy_samples
from models_registry.services.monitoring.series import measures, ranges, window
from models_registry.services.monitoring.watching import forget_samples, set_watch, watch_of

__all__ = [
    "COMPARE",
    "ask_for_comparison",
    "compare_deployment",
    "compare_where_new",
    "csv_of_samples",
    "exposition",
    "forget_samples",
    "keep_measures",
    "keep_samples",
    "live_accuracy",
    "measure_replicas",
    "measures",
    "model_of",
    "parquet_of_samples",
    "ranges",
    "read_actuals",
    "record_actuals",
    "samples_table",
    "set_watch",
    "tidy_measures",
    "tidy_samples",
    "watch_of",
    "window",
]
