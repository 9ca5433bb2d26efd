"""Models and deployments; included under /api/v1/workspaces/<workspace>/."""

from django.urls import path

from models_registry.api import deployments, emptying, golden, models, monitoring, samples, scoring

urlpatterns = [
    path("empty/", emptying.Empty.as_view()),
    path("models/", models.Models.as_view()),
    path("models/<name:name>/", models.ModelDetail.as_view()),
    path("models/<name:name>/versions/", models.Versions.as_view()),
    path("models/<name:name>/versions/<key:number>/", models.VersionDetail.as_view()),
    path("models/<name:name>/aliases/<name:alias>/", models.Alias.as_view()),
    path("models/<name:name>/versions/<key:number>/stage/", models.VersionStage.as_view()),
    path("models/<name:name>/versions/<key:number>/files/content/", models.FileContent.as_view()),
    path("models/<name:name>/versions/<key:number>/sample/", samples.Sample.as_view()),
    path("models/<name:name>/versions/<key:number>/sample/content/", samples.SampleContent.as_view()),
    path("models/<name:name>/versions/<key:number>/golden/", golden.Golden.as_view()),
    path("models/<name:name>/versions/<key:number>/golden/<key:golden>/", golden.GoldenDetail.as_view()),
    path("model-versions/", models.AllVersions.as_view()),
    path("deployments/", deployments.Deployments.as_view()),
    path("deployments/<name:name>/", deployments.DeploymentDetail.as_view()),
    path("deployments/<name:name>/redeploy/", deployments.Redeploy.as_view()),
    path("deployments/<name:name>/accept-changes/", golden.AcceptChanges.as_view()),
    path("deployments/<name:name>/golden/", golden.SaveAnswer.as_view()),
    path("deployments/<name:name>/stop/", deployments.Stop.as_view()),
    path("deployments/<name:name>/start/", deployments.Start.as_view()),
    path("deployments/<name:name>/keys/", deployments.Keys.as_view()),
    path("deployments/<name:name>/keys/regenerate/", deployments.RegenerateKey.as_view()),
    path("deployments/<name:name>/requests/", deployments.Requests.as_view()),
    path("deployments/<name:name>/events/", deployments.Events.as_view()),
    path("deployments/<name:name>/log/", deployments.Log.as_view()),
    path("deployments/<name:name>/metrics/", monitoring.Measures.as_view()),
    path("deployments/<name:name>/watch/", monitoring.Watching.as_view()),
    path("deployments/<name:name>/samples/", monitoring.Samples.as_view()),
    path("deployments/<name:name>/actuals/", monitoring.Actuals.as_view()),
    path("deployments/<name:name>/accuracy/", monitoring.Accuracy.as_view()),
    path("deployments/<name:name>/drift/", monitoring.Drift.as_view()),
    path("deployments/<name:name>/score/", deployments.Score.as_view()),
    path("deployments/<name:name>/score-file/", scoring.ScoreFile.as_view()),
    path("deployments/<name:name>/schema/", samples.ServiceSchema.as_view()),
]
