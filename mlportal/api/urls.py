"""Everything below /api/: the JSON API, its OpenAPI description, and a page to read and try it."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from mlportal.access import api as access
from mlportal.api import converters, exceptions, schema

# Importing the first and the last registers what they hold.
__all__ = ["converters", "schema", "urlpatterns"]


v1: list[URLPattern | URLResolver] = [
    path("me/", access.Me.as_view()),
    path("tokens/", access.Tokens.as_view()),
    path("tokens/<key:token>/", access.Token.as_view()),
    path("workspaces/", access.Workspaces.as_view()),
    path("workspaces/<workspace:workspace>/", access.WorkspaceDetail.as_view()),
    path("workspaces/<workspace:workspace>/config.json", access.Config.as_view(), name="workspace-config"),
    path("workspaces/<workspace:workspace>/members/", access.Members.as_view()),
    path("workspaces/<workspace:workspace>/members/<name:username>/", access.Member.as_view()),
    path("workspaces/<workspace:workspace>/", include("experiments.api.urls")),
    path("workspaces/<workspace:workspace>/", include("models_registry.api.urls")),
    re_path(r"^(?P<rest>.*)$", exceptions.no_such_address),
]
urlpatterns = [
    path("v1/", include(v1)),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
]
