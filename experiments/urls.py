"""The pages of experiments; included under `/w/<workspace>/`."""

from django.urls import path

from experiments.views import compute, environments, experiments, overview, runs, submit

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("examples/<path:name>", overview.example_file, name="example-file"),
    path("experiments/", experiments.experiments, name="experiments"),
    path("experiments/<str:name>/", experiments.experiment, name="experiment"),
    path("runs/<str:uid>/", runs.run, name="run"),
    path("runs/<str:uid>/live/", runs.live, name="run-live"),
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
    path("compute/", compute.compute, name="compute"),
]
