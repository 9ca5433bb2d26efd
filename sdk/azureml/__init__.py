"""The names of the Azure ML SDK v1, on top of the portal's own client."""

from azureml import _outside

_outside.install()
