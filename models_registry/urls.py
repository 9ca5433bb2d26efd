"""The pages of models and deployments; included under `/w/<workspace>/`."""

from django.urls import path

from models_registry.views import catalogue, deployments, emptying, golden, models, monitoring, samples, uploads

urlpatterns = [
    path("empty/", emptying.empty, name="workspace-empty"),
    path("models/", models.models, name="models"),
    path("new-model/", uploads.new, name="model-new"),
    path("models/<str:name>/", models.model, name="model"),
    path("models/<str:name>/delete/", models.delete, name="model-delete"),
    path("models/<str:name>/edit/", catalogue.edit_model, name="model-edit"),
    path("models/<str:name>/<int:number>/alias/", catalogue.add_alias, name="model-version-alias"),
    path("models/<str:name>/<int:number>/alias/remove/", catalogue.remove_alias, name="model-version-remove-alias"),
    path("models/<str:name>/<int:number>/stage/", catalogue.stage, name="model-version-stage"),
    path("models/<str:name>/<int:number>/", models.version, name="model-version"),
    path("models/<str:name>/<int:number>/edit/", models.edit_version, name="model-version-edit"),
    path("models/<str:name>/<int:number>/deploy/", models.deploy, name="model-version-deploy"),
    path("models/<str:name>/<int:number>/sample/", samples.attach, name="model-version-sample"),
    path("models/<str:name>/<int:number>/sample/remove/", samples.remove, name="model-version-remove-sample"),
    path("models/<str:name>/<int:number>/delete/", models.delete_version, name="model-version-delete"),
    path("models/<str:name>/<int:number>/golden/", golden.save, name="model-version-golden"),
    path("models/<str:name>/<int:number>/golden/<int:golden>/delete/", golden.delete, name="golden-delete"),
    path("deployments/", deployments.deployments, name="deployments"),
    path("deployments/<str:name>/", deployments.deployment, name="deployment"),
    path("deployments/<str:name>/monitoring/", monitoring.page, name="monitoring"),
    path("deployments/<str:name>/monitoring/quality/", monitoring.quality, name="monitoring-quality"),
    path("deployments/<str:name>/monitoring/watch/", monitoring.watch, name="monitoring-watch"),
    path("deployments/<str:name>/monitoring/compare/", monitoring.compare, name="monitoring-compare"),
    path("deployments/<str:name>/monitoring/forget/", monitoring.forget, name="monitoring-forget"),
    path("deployments/<str:name>/requests/", deployments.requests, name="deployment-requests"),
    path("deployments/<str:name>/keys/", deployments.keys, name="deployment-keys"),
    path("deployments/<str:name>/keys/regenerate/", deployments.regenerate_key, name="deployment-regenerate-key"),
    path("deployments/<str:name>/redeploy/", deployments.redeploy, name="deployment-redeploy"),
    path("deployments/<str:name>/accept-changes/", golden.accept, name="deployment-accept-changes"),
    path("deployments/<str:name>/scale/", deployments.scale, name="deployment-scale"),
    path("deployments/<str:name>/edit/", deployments.edit, name="deployment-edit"),
    path("deployments/<str:name>/stop/", deployments.stop, name="deployment-stop"),
    path("deployments/<str:name>/start/", deployments.start, name="deployment-start"),
    path("deployments/<str:name>/delete/", deployments.delete, name="deployment-delete"),
]
