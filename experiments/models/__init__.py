"""Everything up to a finished run, as rows."""

from experiments.models.compute import ComputeNode, ComputeTarget
from experiments.models.data import (
    DataFile,
    Dataset,
    DatasetFile,
    DatasetKind,
    DatasetVersion,
    InputMode,
    RunInput,
    UploadedBlob,
)
from experiments.models.environments import BuildLogChunk, Environment, EnvironmentBuild, EnvironmentVersion
from experiments.models.experiments import Experiment
from experiments.models.files import Artifact, FollowedFile, LogChunk, Snapshot
from experiments.models.logged_models import LoggedModel, LoggedModelFile, LoggedModelMetric, LoggedModelUse
from experiments.models.measurements import LoggedDataset, LoggedValue, Metric, MetricChunk, Parameter, RunProperty, Tag
from experiments.models.purges import Purge
from experiments.models.retention import RetentionRule
from experiments.models.runs import Run, RunEvent, RunToken
from experiments.models.views import SavedView

__all__ = [
    "Artifact",
    "BuildLogChunk",
    "ComputeNode",
    "ComputeTarget",
    "DataFile",
    "Dataset",
    "DatasetFile",
    "DatasetKind",
    "DatasetVersion",
    "Environment",
    "EnvironmentBuild",
    "EnvironmentVersion",
    "Experiment",
    "FollowedFile",
    "InputMode",
    "LogChunk",
    "LoggedDataset",
    "LoggedModel",
    "LoggedModelFile",
    "LoggedModelMetric",
    "LoggedModelUse",
    "LoggedValue",
    "Metric",
    "MetricChunk",
    "Parameter",
    "Purge",
    "RetentionRule",
    "Run",
    "RunEvent",
    "RunInput",
    "RunProperty",
    "RunToken",
    "SavedView",
    "Snapshot",
    "Tag",
    "UploadedBlob",
]
