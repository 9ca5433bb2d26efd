"""`azureml.core.compute_target`: the same names, where Azure's SDK has them too."""

from azureml.core.compute import ComputeTarget
from azureml.exceptions import ComputeTargetException

__all__ = ["ComputeTarget", "ComputeTargetException"]
