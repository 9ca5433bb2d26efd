"""Watching services: what was measured of their requests."""

from models_registry.services.monitoring.exposition import exposition
from models_registry.services.monitoring.keeping import keep_measures, measure_replicas, tidy_measures
from models_registry.services.monitoring.series import measures, ranges, window

__all__ = ["exposition", "keep_measures", "measure_replicas", "measures", "ranges", "tidy_measures", "window"]
