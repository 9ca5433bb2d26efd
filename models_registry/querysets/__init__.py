from models_registry.querysets.deployments import DeploymentQuerySet

__all__ = ["DeploymentQuerySet"]
