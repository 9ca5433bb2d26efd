"""The portal's client: Python 3.6 and up, standard library only. The `azureml` names stand on it."""

__version__ = "0.1.0"
