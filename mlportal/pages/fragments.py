from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from mlportal.pages.workspaces import PageRequest


def fragment(request: PageRequest, page: str, part: str, context: Mapping[str, Any]) -> HttpResponse:
    """The template `page`, or only its `part` when htmx asks for what has changed. The page includes the same part."""
    wants_part = request.htmx and not request.htmx.boosted and not request.htmx.history_restore_request
    response = render(request, part if wants_part else page, context)
    patch_vary_headers(response, ["HX-Request"])  # else the browser's "back" may show the part alone
    return response
