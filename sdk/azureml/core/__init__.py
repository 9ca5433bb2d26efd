"""`azureml.core` of the Azure ML SDK v1, as far as a script needs it inside of a run."""

from typing import Any

from azureml.core.experiment import Experiment
from azureml.core.run import Run
from azureml.core.workspace import Workspace
from azureml.exceptions import UnsupportedImportError

__all__ = ["VERSION", "Experiment", "Run", "Workspace"]

VERSION = __version__ = "1.61.0"  # the SDK whose behaviour this follows

_ON_PAGES = "use the portal's pages or its JSON API (/api/docs/)"
_BY_RUN = "the portal sets this up before the script starts: choose it when submitting"
_INSTEAD = {
    "ComputeTarget": _BY_RUN,
    "Dataset": "put the data into the submitted folder, or download it in the script",
    "Datastore": "put the data into the submitted folder, or download it in the script",
    "Environment": _BY_RUN,
    "Image": _ON_PAGES,
    "Keyvault": "read the secret from the script's environment",
    "LinkedService": _ON_PAGES,
    "Model": "write the model to outputs/ and register it from the run's page or the JSON API (/api/docs/)",
    "PrivateEndPoint": _ON_PAGES,
    "PrivateEndPointConfig": _ON_PAGES,
    "RunConfiguration": _BY_RUN,
    "ScriptRun": "use azureml.core.Run",
    "ScriptRunConfig": _BY_RUN,
    "Webservice": _ON_PAGES,
    "get_run": "use azureml.core.Run.get_context() for the run that executes",
}


def __getattr__(name: str) -> Any:
    # an ImportError, not an AttributeError: "from azureml.core import X" would replace the latter's message by its own
    if name in _INSTEAD:
        raise UnsupportedImportError("azureml.core.{} is not supported here: {}".format(name, _INSTEAD[name]))
    raise AttributeError("module 'azureml.core' has no attribute {!r}".format(name))
