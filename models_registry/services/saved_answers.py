"""What a service answers now becomes what its model owes."""

from __future__ import annotations

from typing import Any

import orjson
from asgiref.sync import async_to_sync

from mlportal.access.models import User
from mlportal.errors import BadInput, Conflict
from models_registry.models import Deployment, GoldenRequest
from models_registry.services.checks import require_changer
from models_registry.services.golden import SCRIPT_METHOD, save_golden
from models_registry.services.keys import pair_of
from models_registry.serving.asgi import score


def save_answer(deployment: Deployment, request: Any, *, name: str, by: User) -> GoldenRequest:
    """Ask the service this now, and save the request with its answer as a golden request of the model that answers.

    Conflict while nothing answers; BadInput with what the service says of the request.
    """
    answering = deployment.live_revision
    if answering is None:
        raise Conflict(f"{deployment} answers nothing now.")
    versions = answering.versions
    if not versions:
        raise BadInput(f"{deployment} has no model, whose version could keep a golden request.", field="request")
    method = SCRIPT_METHOD
    if not answering.entry_script:
        method = "predict"
        if isinstance(request, dict):
            method = request.get("method") or (deployment.signature or {}).get("default_method") or method
    require_changer(versions[0], by)
    answer = async_to_sync(score)(deployment.name, pair_of(deployment)[0], orjson.dumps(request), "application/json")
    said = answer.body.decode("utf-8", "replace")
    if answer.status != 200:
        raise BadInput(f"The service answers {answer.status}: {said[:500]}", field="request")
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        value = said
    return save_golden(versions[0], request, value, method=str(method), name=name, by=by)
