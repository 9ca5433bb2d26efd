"""`azureml.core` of the Azure ML SDK v1. Its names are imported when they are first used."""

from azureml._lazy import lazy

VERSION = __version__ = "1.61.0"  # the SDK whose behaviour this follows

_ON_PAGES = "use the portal's pages or its JSON API (/api/docs/)"
_NO_IMAGES = "use azureml.core.Environment and Model.deploy: the portal makes no images"

__all__ = lazy(
    __name__,
    {
        "ComputeTarget": "azureml.core.compute",
        "ContainerRegistry": "azureml.core.container_registry",
        "Dataset": "azureml.core.dataset",
        "Datastore": "azureml.core.datastore",
        "Environment": "azureml.core.environment",
        "Experiment": "azureml.core.experiment",
        "Keyvault": "azureml.core.keyvault",
        "Model": "azureml.core.model",
        "Run": "azureml.core.run",
        "RunConfiguration": "azureml.core.runconfig",
        "ScriptRun": "azureml.core.script_run",
        "ScriptRunConfig": "azureml.core.script_run_config",
        "Webservice": "azureml.core.webservice",
        "Workspace": "azureml.core.workspace",
        "get_run": "azureml.core.run",
    },
    {
        "Image": _NO_IMAGES,
        "ContainerImage": _NO_IMAGES,
        "LinkedService": _ON_PAGES,
        "PrivateEndPoint": "access is a matter of members and tokens: " + _ON_PAGES,
        "PrivateEndPointConfig": "access is a matter of members and tokens: " + _ON_PAGES,
    },
)
