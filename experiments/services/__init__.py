"""One function for each thing that a person can do; pages, the API, the SDK and MLflow's dialect call the same ones."""

from experiments.services.artifacts import artifact, open_artifact
from experiments.services.compute import compute_overview
from experiments.services.environments import (
    Checked,
    add_version,
    cancel_build,
    check_definition,
    install_curated,
    lock_difference,
    read_build_log,
    request_build,
    usual_seconds,
)
from experiments.services.explain import PhaseSpan, explain_preparing, explain_scaling, phases
from experiments.services.logs import LogFile, LogPart, log_files, read_log
from experiments.services.metrics import azure_metrics, log_metrics, logged_values, metric_summaries, series
from experiments.services.runs import cancel_run, remove_tags, rerun, set_tags
from experiments.services.snapshots import Taken, manifest_of, take_files, take_zip
from experiments.services.submit import submit_run

__all__ = [
    "Checked",
    "LogFile",
    "LogPart",
    "PhaseSpan",
    "Taken",
    "add_version",
    "artifact",
    "azure_metrics",
    "cancel_build",
    "cancel_run",
    "check_definition",
    "compute_overview",
    "explain_preparing",
    "explain_scaling",
    "install_curated",
    "lock_difference",
    "log_files",
    "log_metrics",
    "logged_values",
    "manifest_of",
    "metric_summaries",
    "open_artifact",
    "phases",
    "read_build_log",
    "read_log",
    "remove_tags",
    "request_build",
    "rerun",
    "series",
    "set_tags",
    "submit_run",
    "take_files",
    "take_zip",
    "usual_seconds",
]
