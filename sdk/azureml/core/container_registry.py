"""`azureml.core.container_registry`: accepted as part of an Environment; the portal pulls no images."""

from typing import Any, Optional


class ContainerRegistry:
    def __init__(self, **kwargs: Any) -> None:
        self.address: Optional[str] = None
        self.username: Optional[str] = None
        self.password: Optional[str] = None
        self.registry_identity: Any = None
