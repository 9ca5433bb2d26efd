"""`Model.deploy`: registered models become a service of the portal."""

from typing import Any, Dict, List

from azureml._registering import texts
from azureml._said import say
from azureml.exceptions import UserErrorException, WebserviceException


def deploy(
    workspace: Any,
    name: str,
    models: List[Any],
    inference_config: Any,
    configuration: Any,
    overwrite: bool,
) -> Any:
    """The Webservice, still starting. WebserviceException where the portal refuses it."""
    from mlportal_sdk.errors import BadInput, Conflict

    from azureml.core.webservice._services import class_for

    models = list(models) if isinstance(models, (list, tuple)) else [models]
    if not models and inference_config is None:
        raise UserErrorException("Model.deploy needs a model")
    named = [{"name": model.name, "version": model.version} for model in map(_registered, models)]
    body: Dict[str, Any] = {
        "name": name,
        "description": getattr(configuration, "description", None)
        or getattr(inference_config, "description", None)
        or "",
        "auth_enabled": _auth(configuration),
    }
    if inference_config is None and len(named) == 1:
        body["model"], body["version"] = named[0]["name"], named[0]["version"]
    else:
        body["models"] = named
        body["inference"] = inference_config._body(workspace) if inference_config is not None else None
    scaling = getattr(configuration, "scaling", None)
    if scaling:
        body["scaling"] = scaling
    if overwrite:
        body["overwrite"] = True
    tags = texts(getattr(configuration, "tags", None))
    if tags:
        body["tags"] = tags
    for field, found in (("cpu", "cpu_cores"), ("memory_gb", "memory_gb")):
        if getattr(configuration, found, None) is not None:
            body[field] = getattr(configuration, found)
    try:
        made = workspace._scope.post("deployments/", body)
    except Conflict as error:
        raise WebserviceException(
            "{} overwrite=True replaces the service that is there.".format(error.message), status_code=409
        ) from None
    except BadInput as error:
        raise WebserviceException(error.message, status_code=error.status) from None
    service = class_for(configuration)(workspace, name, _data=made)
    service._inference_config = inference_config
    if getattr(configuration, "collect_model_data", None) is not None:
        service._collect(bool(configuration.collect_model_data))
    if getattr(configuration, "compute_type", "ACI") != "AKS" and getattr(configuration, "auth_enabled", None) is None:
        say(
            "callers of the service {} need its key, as in Authorization: Bearer <service.get_keys()[0]>; "
            "deploy_configuration(auth_enabled=False) lets everybody in, as Azure's containers do".format(name)
        )
    return service


def _auth(configuration: Any) -> bool:
    """Azure asks callers of a cluster for a key, and those of a container only where it is told to.

    The portal asks everybody unless told not to: `service.run` has the key anyway.
    """
    wanted = getattr(configuration, "auth_enabled", None)
    return True if wanted is None else bool(wanted)


def _registered(model: Any) -> Any:
    if not hasattr(model, "version"):
        raise UserErrorException(
            "{!r} is no registered model: make one with Model.register or run.register_model".format(model)
        )
    return model
