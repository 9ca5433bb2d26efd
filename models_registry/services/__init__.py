"""One function for each thing that a person can do with models and services; pages and the API call the same ones."""

from models_registry.services.catalogue import (
    create_model,
    remove_alias,
    rename_model,
    set_alias,
    set_stage,
    update_model,
)
from models_registry.services.deployments import (
    accept_changes,
    delete,
    deploy,
    propose_service_name,
    redeploy,
    start,
    stop,
    update,
)
from models_registry.services.emptying import empty_workspace
from models_registry.services.environments import environment_for
from models_registry.services.files import main_file, open_file
from models_registry.services.golden import delete_golden, save_golden, save_golden_items
from models_registry.services.keys import is_key, keys, regenerate_key
from models_registry.services.registration import (
    copy_version,
    delete_model,
    delete_version,
    register_files,
    register_logged_model,
    register_model,
    suggested_framework_version,
    update_version,
)
from models_registry.services.requests import example_request, recent_requests
from models_registry.services.revisions import NO_INFERENCE, Inference
from models_registry.services.samples import attach_sample, read_sample, remove_sample, sample_of
from models_registry.services.saved_answers import save_answer
from models_registry.services.schema import Schema, schema_of
from models_registry.services.traffic import (
    forget_disagreements,
    previous,
    promote,
    remove_candidate,
    roll_back,
    set_candidate,
)

__all__ = [
    "NO_INFERENCE",
    "Inference",
    "Schema",
    "accept_changes",
    "attach_sample",
    "copy_version",
    "create_model",
    "delete",
    "delete_golden",
    "delete_model",
    "delete_version",
    "deploy",
    "empty_workspace",
    "environment_for",
    "example_request",
    "forget_disagreements",
    "is_key",
    "keys",
    "main_file",
    "open_file",
    "previous",
    "promote",
    "propose_service_name",
    "read_sample",
    "recent_requests",
    "redeploy",
    "regenerate_key",
    "register_files",
    "register_logged_model",
    "register_model",
    "remove_alias",
    "remove_candidate",
    "remove_sample",
    "rename_model",
    "roll_back",
    "sample_of",
    "save_answer",
    "save_golden",
    "save_golden_items",
    "schema_of",
    "set_alias",
    "set_candidate",
    "set_stage",
    "start",
    "stop",
    "suggested_framework_version",
    "update",
    "update_model",
    "update_version",
]
