"""The experiments' part of a workspace's API; included under `/api/v1/workspaces/<workspace>/`."""

from django.urls import path

from experiments.api import (
    compute,
    data,
    datasets,
    environments,
    experiments,
    logged_models,
    run_files,
    run_metrics,
    runs,
    snapshots,
    stream,
)
from mlportal.api import converters

__all__ = ["converters", "urlpatterns"]

RUN = "runs/<uid:uid>/"
VERSION = "environments/<name:name>/versions/<key:number>/"

urlpatterns = [
    path("blobs/", data.Blobs.as_view()),
    path("data/files/", data.DataFiles.as_view()),
    path("data/files/content/", data.DataFileContent.as_view()),
    path("datasets/", datasets.Datasets.as_view()),
    path("datasets/by-uid/<uid:uid>/", datasets.ByUid.as_view()),
    path("datasets/by-uid/<uid:uid>/files/content/", datasets.FileContent.as_view()),
    path("datasets/<name:name>/", datasets.DatasetDetail.as_view()),
    path("datasets/<name:name>/versions/", datasets.Versions.as_view()),
    path("datasets/<name:name>/versions/<key:number>/", datasets.VersionDetail.as_view()),
    path("snapshots/", snapshots.Snapshots.as_view()),
    path("snapshots/plan/", snapshots.Plan.as_view()),
    path("snapshots/manifest/", snapshots.Manifest.as_view()),
    path("snapshots/<uid:uid>/archive/", snapshots.Archive.as_view()),
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
    path("compute/", compute.Compute.as_view()),
    path("compute/<name:name>/", compute.ComputeDetail.as_view()),
    path("experiments/", experiments.Experiments.as_view()),
    path("experiments/<experiment:name>/", experiments.ExperimentDetail.as_view()),
    path("experiments/<experiment:name>/archive/", experiments.Archive.as_view()),
    path("experiments/<experiment:name>/restore/", experiments.Restore.as_view()),
    path("runs/", runs.Runs.as_view()),
    path("runs/start/", runs.StartRun.as_view()),
    path(RUN, runs.RunDetail.as_view()),
    path(f"{RUN}cancel/", runs.CancelRun.as_view()),
    path(f"{RUN}finish/", runs.FinishRun.as_view()),
    path(f"{RUN}properties/", runs.Properties.as_view()),
    path(f"{RUN}rerun/", runs.Rerun.as_view()),
    path(f"{RUN}tags/", runs.Tags.as_view()),
    path(f"{RUN}events/", runs.Events.as_view()),
    path(f"{RUN}stream/", stream.Stream.as_view()),
    path(f"{RUN}logs/", run_files.Logs.as_view()),
    path(f"{RUN}logs/content/", run_files.LogContent.as_view()),
    path(f"{RUN}artifacts/", run_files.Artifacts.as_view()),
    path(f"{RUN}artifacts/content/", run_files.ArtifactContent.as_view()),
    path(f"{RUN}logged-models/", logged_models.LoggedModels.as_view()),
    path(f"{RUN}metrics/", run_metrics.Metrics.as_view()),
    path(f"{RUN}metrics/series/", run_metrics.SeriesMetrics.as_view()),
    path(f"{RUN}metrics/azure/", run_metrics.AzureMetrics.as_view()),
    path(f"{RUN}values/", run_metrics.Values.as_view()),
]
