"""One function for each thing that a person can do with models and services; pages and the API call the same ones."""

from models_registry.services.deployments import (
    delete,
    deploy,
    propose_service_name,
    redeploy,
    start,
    stop,
)
from models_registry.services.files import main_file, open_file
from models_registry.services.keys import is_key, keys, regenerate_key
from models_registry.services.registration import (
    delete_model,
    delete_version,
    register_model,
    suggested_framework_version,
    update_version,
)
from models_registry.services.requests import example_request, recent_requests

__all__ = [
    "delete",
    "delete_model",
    "delete_version",
    "deploy",
    "example_request",
    "is_key",
    "keys",
    "main_file",
    "open_file",
    "propose_service_name",
    "recent_requests",
    "redeploy",
    "regenerate_key",
    "register_model",
    "start",
    "stop",
    "suggested_framework_version",
    "update_version",
]
