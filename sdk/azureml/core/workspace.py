"""`azureml.core.Workspace`: where the run is, by name."""

import os
from typing import Any, Optional

from azureml._partial import Partial


class Workspace(Partial):
    """The workspace that a run belongs to. It is described by its names; nothing is fetched."""

    _instead = {
        "from_config": "inside a run use Run.get_context().experiment.workspace",
        "get": "inside a run use Run.get_context().experiment.workspace",
        "datasets": "put the data into the submitted folder, or download it in the script",
        "get_default_datastore": "put the data into the submitted folder, or download it in the script",
        "get_default_keyvault": "read the secret from the script's environment",
    }

    def __init__(
        self, subscription_id: str, resource_group: str, workspace_name: str, auth: Any = None, **kwargs: Any
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.name = workspace_name

    @classmethod
    def _of_this_run(cls) -> "Workspace":
        return cls(
            os.environ.get("AZUREML_ARM_SUBSCRIPTION", ""),
            os.environ.get("AZUREML_ARM_RESOURCEGROUP", ""),
            os.environ.get("AZUREML_ARM_WORKSPACE_NAME", ""),
        )

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> Optional[str]:
        """The address that `mlflow.set_tracking_uri` takes; None where the run was given none."""
        return os.environ.get("MLFLOW_TRACKING_URI")

    def __repr__(self) -> str:
        return "Workspace(name={!r}, subscription_id={!r}, resource_group={!r})".format(
            self.name, self.subscription_id, self.resource_group
        )
