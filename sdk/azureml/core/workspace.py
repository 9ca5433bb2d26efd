"""`azureml.core.Workspace`: a workspace of the portal, found by config.json; in a run, the run's own."""

import os
from typing import Any, Dict, List, Optional

from azureml._partial import Partial
from azureml._said import say_waiting
from azureml.exceptions import NotSupportedError, UserErrorException

__all__ = ["Workspace"]

_LOCATION = "mlportal"  # Azure's region; notebooks print it


class Workspace(Partial):
    """Where experiments, models and the rest are. In a run nothing is fetched until it is needed."""

    _instead = {
        "delete": "a workspace is removed by an administrator of the portal",
        "get_default_keyvault": "give a run its secrets by run_config.environment_variables",
        "images": "the portal makes no images: see environments",
        "linked_services": "see the portal's pages",
        "service_context": "use get_mlflow_tracking_uri, or the portal's JSON API (/api/docs/)",
        "set_default_datastore": "a workspace has one datastore",
        "sync_keys": "keys are those of services: Webservice.get_keys",
        "update": "an owner changes the workspace on its page",
    }

    def __init__(
        self,
        subscription_id: str,
        resource_group: str,
        workspace_name: str,
        auth: Any = None,
        _location: Optional[str] = None,
        _portal_url: Optional[str] = None,
        _checked: bool = False,
        **kwargs: Any,
    ) -> None:
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.name = workspace_name
        self._portal = _portal_url
        self._connection: Any = None
        self._about: Dict[str, Any] = {}
        if not _checked:
            self._fetch()

    @staticmethod
    def from_config(
        path: Optional[str] = None, auth: Any = None, _logger: Any = None, _file_name: Optional[str] = None
    ) -> "Workspace":
        """The workspace of the config.json in the folder, its .azureml or aml_config, or above.

        Raises UserErrorException without one; for the rest what `mlportal_sdk.errors` says: no token, a portal that is
        away, no such workspace.
        """
        from mlportal_sdk import config
        from mlportal_sdk.errors import NotConfigured

        try:
            found = config.read(path, _file_name)
        except NotConfigured as error:
            if config.is_in_a_run() and config.find(path, _file_name) is None:
                return Workspace._of_this_run()
            raise UserErrorException(error.message) from None
        return Workspace(
            found.subscription_id, found.resource_group, found.workspace, auth=auth, _portal_url=found.portal_url
        )

    @staticmethod
    def get(
        name: str,
        auth: Any = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        **kwargs: Any,
    ) -> "Workspace":
        """A workspace of the portal that config.json, MLPORTAL_URL or `mlportal login` name."""
        return Workspace(subscription_id or "mlportal", resource_group or "mlportal", name, auth=auth)

    @staticmethod
    def create(
        name: str,
        auth: Any = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        exist_ok: bool = False,
        show_output: bool = True,
        friendly_name: Optional[str] = None,
        **kwargs: Any,
    ) -> "Workspace":
        """A new workspace, whose owner is the caller; with `exist_ok` the one that is there."""
        from mlportal_sdk.client import Client
        from mlportal_sdk.errors import Conflict

        try:
            Client.from_environment().post("workspaces/", {"name": name, "description": friendly_name or ""})
            if show_output:
                print("Deployed the workspace {}.".format(name))
        except Conflict as error:
            if not exist_ok:
                raise UserErrorException(
                    "{} exist_ok=True gives the workspace that is there.".format(error.message)
                ) from None
        return Workspace.get(name, auth, subscription_id, resource_group)

    @staticmethod
    def list(
        subscription_id: Optional[str] = None, auth: Any = None, resource_group: Optional[str] = None
    ) -> "Dict[str, List[Workspace]]":
        """Those that the caller is a member of, by name."""
        from mlportal_sdk.client import Client

        client = Client.from_environment()
        subscription, group = subscription_id or "mlportal", resource_group or "mlportal"
        return {
            row["name"]: [Workspace(subscription, group, row["name"], _portal_url=client.url, _checked=True)]
            for row in client.pages("workspaces/")
        }

    @staticmethod
    def setup() -> None:
        """Logging in is `mlportal login`."""
        raise NotSupportedError("Workspace.setup is not supported here: use the command `mlportal login`")

    @classmethod
    def _of_this_run(cls) -> "Workspace":
        return cls(
            os.environ.get("AZUREML_ARM_SUBSCRIPTION", ""),
            os.environ.get("AZUREML_ARM_RESOURCEGROUP", ""),
            os.environ.get("AZUREML_ARM_WORKSPACE_NAME", ""),
            _checked=True,
        )

    @property
    def _scope(self) -> Any:
        """The portal's API, as far as it is this workspace's."""
        if self._connection is None:
            from mlportal_sdk import config
            from mlportal_sdk.client import Client

            url = self._portal or config.of_environment().portal_url
            self._connection = Client.for_portal(url).workspace(self.name)
            self._connection.http.on_wait = say_waiting
        return self._connection

    def _fetch(self) -> Dict[str, Any]:
        from mlportal_sdk.client import join
        from mlportal_sdk.errors import NotFound

        try:
            self._about = self._scope.client.get(join("workspaces", self.name))
        except NotFound:
            raise UserErrorException(
                "the portal at {} has no workspace {!r}, or you are no member of it: ask one of its owners".format(
                    self._scope.url, self.name
                )
            ) from None
        return self._about

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_connection": None}  # sockets are neither copied nor pickled

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)

    def write_config(self, path: Optional[str] = None, file_name: Optional[str] = None) -> None:
        """.azureml/config.json below the folder."""
        from mlportal_sdk import config

        target = os.path.join(path or ".", ".azureml", file_name or config.FILE_NAME)
        found = config.WorkspaceConfig(self._scope.url, self.name, self.subscription_id, self.resource_group, target)
        config.write(target, found)

    def get_details(self) -> Dict[str, Any]:
        about = self._fetch()
        return {
            "id": self._resource_id,
            "name": self.name,
            "location": _LOCATION,
            "type": "Microsoft.MachineLearningServices/workspaces",
            "tags": {},
            "sku": "Basic",
            "workspaceid": self.name,
            "description": about["description"],
            "friendlyName": self.name,
            "creationTime": about["created_at"],
            "provisioningState": "Succeeded",
            "discoveryUrl": self.discovery_url,
            "mlFlowTrackingUri": self.get_mlflow_tracking_uri(),
        }

    @property
    def _resource_id(self) -> str:
        return "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}".format(
            self.subscription_id, self.resource_group, self.name
        )

    @property
    def location(self) -> str:
        return _LOCATION

    @property
    def sku(self) -> str:
        return "Basic"

    @property
    def tags(self) -> Dict[str, str]:
        return {}

    @property
    def discovery_url(self) -> str:
        return str(self._scope.url)

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> Optional[str]:
        """The address that `mlflow.set_tracking_uri` takes; None where a run was given none."""
        if self._is_of_this_run:
            return os.environ.get("MLFLOW_TRACKING_URI")
        # mlflow reads its token from the environment alone
        if "MLFLOW_TRACKING_TOKEN" not in os.environ and self._scope.http.token:
            os.environ["MLFLOW_TRACKING_TOKEN"] = self._scope.http.token
        return "{}/w/{}".format(self._scope.url, self.name)

    @property
    def _is_of_this_run(self) -> bool:
        return bool(
            self._portal is None
            and os.environ.get("MLPORTAL_RUN_DIR")
            and self.name == os.environ.get("AZUREML_ARM_WORKSPACE_NAME")
        )

    @property
    def experiments(self) -> Dict[str, Any]:
        from azureml.core.experiment import Experiment

        return {experiment.name: experiment for experiment in Experiment.list(self)}

    @property
    def models(self) -> Dict[str, Any]:
        """The latest version of each, by name."""
        from azureml.core.model import Model

        return {model.name: model for model in Model.list(self, latest=True)}

    @property
    def environments(self) -> Dict[str, Any]:
        from azureml.core.environment import Environment

        return Environment.list(self)

    @property
    def webservices(self) -> Dict[str, Any]:
        from azureml.core.webservice import Webservice

        return {service.name: service for service in Webservice.list(self)}

    @property
    def compute_targets(self) -> Dict[str, Any]:
        from azureml.core.compute import ComputeTarget

        return {target.name: target for target in ComputeTarget.list(self)}

    def get_default_compute_target(self, type: str = "CPU") -> Any:
        """The portal's own machine."""
        return self.compute_targets.get("local")

    @property
    def datasets(self) -> Any:
        from azureml.core.dataset import Dataset

        return Dataset.get_all(self)

    @property
    def datastores(self) -> Dict[str, Any]:
        store = self.get_default_datastore()
        return {store.name: store}

    def get_default_datastore(self) -> Any:
        from azureml.core.datastore import Datastore

        return Datastore.get_default(self)

    def __repr__(self) -> str:
        return "Workspace.create(name={!r}, subscription_id={!r}, resource_group={!r})".format(
            self.name, self.subscription_id, self.resource_group
        )
