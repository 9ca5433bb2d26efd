"""`azureml.core.keyvault`: the portal keeps no secrets yet."""

from typing import Any

from azureml.exceptions import NotSupportedError


class Keyvault:
    """Making one is the error, with what to use instead."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotSupportedError(
            "azureml.core.Keyvault is not supported here: give a run its secrets by "
            "run_config.environment_variables, and read them with os.environ in the script"
        )
