"""The pages of experiments; included under `/w/<workspace>/`."""

from django.urls import path

from experiments.views import compute, data, datasets, environments, experiments, overview, runs, submit
from mlportal.api import converters

__all__ = ["converters", "urlpatterns"]  # importing the first registers them

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("examples/<path:name>", overview.example_file, name="example-file"),
    path("experiments/", experiments.experiments, name="experiments"),
    path("experiments/<experiment:name>/", experiments.experiment, name="experiment"),
    path("experiments/<experiment:name>/edit/", experiments.edit, name="experiment-edit"),
    path("experiments/<experiment:name>/archive/", experiments.archive, name="experiment-archive"),
    path("experiments/<experiment:name>/restore/", experiments.restore, name="experiment-restore"),
    path("experiments/<experiment:name>/delete/", experiments.delete, name="experiment-delete"),
    path("runs/<str:uid>/", runs.run, name="run"),
    path("runs/<str:uid>/live/", runs.live, name="run-live"),
    path("runs/<str:uid>/children/", runs.children, name="run-children"),
    path("snapshots/<str:uid>/file/", runs.snapshot_file, name="snapshot-file"),
    path("submit/", submit.submit, name="submit"),
    path("submit/example/", submit.example, name="submit-example"),
    path("environments/", environments.environments, name="environments"),
    path("new-environment/", environments.new, name="environment-new"),
    path("new-environment/check/", environments.check, name="environment-check"),
    path("environments/<str:name>/", environments.environment, name="environment"),
    path("environments/<str:name>/versions/<int:number>/build/", environments.build, name="environment-build"),
    path("builds/<int:pk>/log/", environments.build_log, name="build-log"),
    path("builds/<int:pk>/cancel/", environments.cancel, name="build-cancel"),
    path("data/", datasets.datasets, name="data"),
    path("data/files/", data.files, name="data-files"),
    path("data/files/delete/", data.delete, name="data-delete"),
    path("data/files/dataset/", data.make_dataset, name="dataset-new"),
    path("datasets/<str:name>/", datasets.dataset, name="dataset"),
    path("datasets/<str:name>/delete/", datasets.delete, name="dataset-delete"),
    path("dataset-versions/<str:uid>/", datasets.version, name="dataset-version"),
    path("compute/", compute.compute, name="compute"),
    path("new-compute/", compute.new, name="compute-new"),
    path("compute/<str:name>/", compute.edit, name="compute-target"),
    path("compute/<str:name>/delete/", compute.delete, name="compute-delete"),
]
