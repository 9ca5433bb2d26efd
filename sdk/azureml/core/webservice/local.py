"""The same names, where Azure's SDK has its classes."""

from azureml.core.webservice import *  # noqa: F403
