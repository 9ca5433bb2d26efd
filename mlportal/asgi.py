"""The ASGI application: scoring goes to the gateway, MLflow's clients to their API, everything else to Django."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlportal.settings")

from django.core.asgi import get_asgi_application
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

django_asgi = get_asgi_application()

from mlportal.api.body_limit import BodyLimit  # noqa: E402  (these need Django's apps)
from mlportal.mlflow_api.asgi import is_mlflow, mlflow_application  # noqa: E402
from models_registry.serving.asgi import gateway_application  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

django_application = BodyLimit(cast("Application", django_asgi))


async def _portal(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and is_mlflow(scope["path"]):
        await mlflow_application(scope, receive, send)
    else:
        await django_application(scope, receive, send)


# What a proxy says of caller and scheme. The gateway asks for neither, and is spared the search for it.
portal = ProxyHeadersMiddleware(cast("Any", _portal), os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"].startswith("/services/")):
        await gateway_application(scope, receive, send)
    else:
        await portal(cast("Any", scope), cast("Any", receive), cast("Any", send))
