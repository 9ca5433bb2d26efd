"""Everything from a registered model on, as rows."""

from models_registry.models.deployments import Deployment, DeploymentEvent, RequestLog
from models_registry.models.registry import ModelFile, ModelVersion, RegisteredModel

__all__ = ["Deployment", "DeploymentEvent", "ModelFile", "ModelVersion", "RegisteredModel", "RequestLog"]
