"""Tracking, beside `mlflow server`: the same calls, by the same client code, to both, in turn, on SQLite and on PostgreSQL.

    python -m benchmarks.tracking [sqlite] [postgresql]

The peer is the newest MLflow of PyPI, in an environment of its own, with its defaults and again with one worker, which is
its best setting: the better of the two counts. The bars are those of the issue that asked for the API.
"""
