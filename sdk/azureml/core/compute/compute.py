"""The same names, where Azure's SDK has its classes."""

from azureml.core.compute import ComputeTarget

__all__ = ["ComputeTarget"]
