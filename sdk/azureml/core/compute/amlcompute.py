"""The same names, where Azure's SDK has its classes."""

from azureml.core.compute import AmlCompute, AmlComputeProvisioningConfiguration, AmlComputeStatus

__all__ = ["AmlCompute", "AmlComputeProvisioningConfiguration", "AmlComputeStatus"]
