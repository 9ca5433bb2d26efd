from django.contrib import admin
from django.urls import include, path

from experiments.views import anywhere
from mlportal import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("mlportal.api.urls")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("runs/<str:uid>/", anywhere.run, name="run-anywhere"),
    path("experiments/<key:key>/", anywhere.experiment, name="experiment-anywhere"),
    path("w/<str:workspace>/", include("experiments.urls")),
    path("w/<str:workspace>/", include("models_registry.urls")),
    path("", include("mlportal.access.urls")),
    path("", include("mlportal.pages.urls")),
]
