"""The experiments' part of a workspace's API; included under `/api/v1/workspaces/<workspace>/`."""

from django.urls import path

from experiments.api import environments, experiments, run_files, run_metrics, runs, snapshots, stream
from mlportal.api import converters

__all__ = ["converters", "urlpatterns"]

RUN = "runs/<uid:uid>/"
VERSION = "environments/<name:name>/versions/<key:number>/"

urlpatterns = [
    path("snapshots/", snapshots.Snapshots.as_view()),
    path("snapshots/<uid:uid>/", snapshots.SnapshotDetail.as_view()),
    path("environments/", environments.Environments.as_view()),
    path("environments/check/", environments.Check.as_view()),
    path("environments/<name:name>/", environments.EnvironmentDetail.as_view()),
    path("environments/<name:name>/versions/", environments.Versions.as_view()),
    path(VERSION, environments.VersionDetail.as_view()),
    path(f"{VERSION}build/", environments.Build.as_view()),
    path("builds/<key:build>/", environments.BuildDetail.as_view()),
    path("builds/<key:build>/log/", environments.BuildLog.as_view()),
    path("builds/<key:build>/cancel/", environments.CancelBuild.as_view()),
    path("compute/", experiments.Compute.as_view()),
    path("experiments/", experiments.Experiments.as_view()),
    path("experiments/<name:name>/", experiments.ExperimentDetail.as_view()),
    path("runs/", runs.Runs.as_view()),
    path(RUN, runs.RunDetail.as_view()),
    path(f"{RUN}cancel/", runs.CancelRun.as_view()),
    path(f"{RUN}rerun/", runs.Rerun.as_view()),
    path(f"{RUN}tags/", runs.Tags.as_view()),
    path(f"{RUN}events/", runs.Events.as_view()),
    path(f"{RUN}stream/", stream.stream),
    path(f"{RUN}logs/", run_files.Logs.as_view()),
    path(f"{RUN}logs/content/", run_files.LogContent.as_view()),
    path(f"{RUN}artifacts/", run_files.Artifacts.as_view()),
    path(f"{RUN}artifacts/content/", run_files.ArtifactContent.as_view()),
    path(f"{RUN}metrics/", run_metrics.Metrics.as_view()),
    path(f"{RUN}metrics/series/", run_metrics.SeriesMetrics.as_view()),
    path(f"{RUN}metrics/azure/", run_metrics.AzureMetrics.as_view()),
    path(f"{RUN}values/", run_metrics.Values.as_view()),
]
