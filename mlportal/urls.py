from django.contrib import admin
from django.urls import include, path

from mlportal import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("mlportal.api.urls")),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("w/<str:workspace>/", include("experiments.urls")),
    path("w/<str:workspace>/", include("models_registry.urls")),
    path("", include("mlportal.access.urls")),
    path("", include("mlportal.pages.urls")),
]
