"""`azureml.core.resource_configuration`: what a replica of a service gets."""

from typing import Any, Dict, Optional

from azureml._said import say


class ResourceConfiguration:
    """`cpu` cores and `memory_in_gb` gigabytes of a replica; None leaves it to the portal."""

    def __init__(
        self, cpu: Optional[float] = None, memory_in_gb: Optional[float] = None, gpu: Optional[int] = None
    ) -> None:
        if gpu:
            say("gpu={}: the portal serves scikit-learn models on processors; the rest is taken".format(gpu))
        self.cpu = cpu
        self.memory_in_gb = memory_in_gb
        self.gpu = gpu

    def serialize(self) -> Dict[str, Any]:
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

    def __repr__(self) -> str:
        return "ResourceConfiguration(cpu={}, memory_in_gb={}, gpu={})".format(self.cpu, self.memory_in_gb, self.gpu)
