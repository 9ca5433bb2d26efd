"""The client's wheel, made of the portal's own sdk/ folder: in a closed network there is no index to have it from."""

import importlib.util
from functools import cache
from types import ModuleType

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """A page with the link, which `pip install --find-links` reads too. For everybody: pip has no login."""
    return render(request, "sdk.html", {"wheel": _backend().wheel_name(), "address": settings.PUBLIC_URL})


@require_safe
def wheel(request: HttpRequest, name: str) -> HttpResponse:
    if name != _backend().wheel_name():
        raise Http404
    return HttpResponse(_wheel(), content_type="application/zip")


@cache
def _wheel() -> bytes:
    content: bytes = _backend().wheel()[1]
    return content


@cache
def _backend() -> ModuleType:
    """sdk/ is not on the portal's path: what builds the wheel is loaded from its file."""
    path = settings.SDK_DIR / "_wheel" / "sdk_backend.py"
    spec = importlib.util.spec_from_file_location("sdk_backend", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
