"""`azureml.core.compute`: compute targets of the portal. All of them are clusters of runs, whatever Azure called them."""

import time
from typing import Any, Dict, List, Optional

from azureml._partial import Partial
from azureml._said import say
from azureml.exceptions import ComputeTargetException, NotSupportedError

__all__ = [
    "AksCompute",
    "AmlCompute",
    "ComputeInstance",
    "ComputeTarget",
    "DatabricksCompute",
    "HDInsightCompute",
    "RemoteCompute",
]

DEFAULT_NODES = 1


class AmlComputeProvisioningConfiguration:
    """`max_nodes` is how many runs the target executes at a time."""

    def __init__(self, max_nodes: Optional[int] = None, description: Optional[str] = None, **others: Any) -> None:
        self.max_nodes = DEFAULT_NODES if max_nodes is None else int(max_nodes)
        self.description = description
        for name, value in others.items():
            setattr(self, name, value)


class _ScaleSettings:
    def __init__(self, nodes: int) -> None:
        self.minimum_node_count = 0
        self.maximum_node_count = nodes
        self.idle_seconds_before_scaledown = 0


class AmlComputeStatus:
    """What `get_status()` gives: nodes are the slots of the target, busy ones those that execute a run."""

    def __init__(self, data: Dict[str, Any]) -> None:
        busy, slots = data.get("busy", 0), data["slots"]
        self.provisioning_state = "Succeeded"
        self.allocation_state = "Steady"
        self.creation_time = data.get("created_at")
        self.current_node_count = slots
        self.target_node_count = slots
        self.vm_size = "mlportal"
        self.vm_priority = "Dedicated"
        self.errors: List[Any] = []
        self.scale_settings = _ScaleSettings(slots)
        self.node_state_counts = {
            "preparingNodeCount": 0,
            "runningNodeCount": busy,
            "idleNodeCount": max(0, slots - busy),
            "unusableNodeCount": 0,
            "leavingNodeCount": 0,
            "preemptedNodeCount": 0,
        }

    @property
    def state(self) -> str:
        return self.provisioning_state

    def serialize(self) -> Dict[str, Any]:
        return {
            "currentNodeCount": self.current_node_count,
            "targetNodeCount": self.target_node_count,
            "nodeStateCounts": self.node_state_counts,
            "allocationState": self.allocation_state,
            "errors": None,
            "provisioningState": self.provisioning_state,
            "scaleSettings": {
                "minNodeCount": 0,
                "maxNodeCount": self.scale_settings.maximum_node_count,
                "nodeIdleTimeBeforeScaleDown": "PT0S",
            },
            "vmPriority": self.vm_priority,
            "vmSize": self.vm_size,
        }

    def __repr__(self) -> str:
        return str(self.serialize())


class _ComputeTargetType(type(Partial)):  # type: ignore[misc]
    def __call__(cls, workspace: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """`ComputeTarget(ws, name)` is an AmlCompute; notebooks look at the type."""
        return super(_ComputeTargetType, AmlCompute if cls is ComputeTarget else cls).__call__(
            workspace, name, *args, **kwargs
        )


class ComputeTarget(Partial, metaclass=_ComputeTargetType):
    """A target by its name. ComputeTargetException where the workspace has none."""

    _instead = {
        "detach": "delete it",
        "refresh_state": "get_status asks each time",
    }

    def __init__(self, workspace: Any, name: str, _data: Optional[Dict[str, Any]] = None) -> None:
        self.workspace = workspace
        self.name = name
        self._data = _data or self._fetch()

    def _fetch(self) -> Dict[str, Any]:
        from mlportal_sdk.errors import NotFound

        try:
            self._data = self.workspace._scope.get(self._path)
        except NotFound:
            raise ComputeTargetException(
                "ComputeTargetNotFound: Compute Target with name {} not found in provided workspace".format(self.name)
            ) from None
        return self._data

    @property
    def _path(self) -> str:
        from mlportal_sdk.client import join

        return join("compute", self.name)

    @staticmethod
    def create(workspace: Any, name: str, provisioning_configuration: Any) -> "ComputeTarget":
        """A target of this workspace; one that is there already is given its slots."""
        from mlportal_sdk.client import join
        from mlportal_sdk.errors import BadInput, Conflict, NotAllowed

        if not isinstance(provisioning_configuration, AmlComputeProvisioningConfiguration):
            raise NotSupportedError("ComputeTarget.create needs AmlCompute.provisioning_configuration(max_nodes=…)")
        body = {"slots": provisioning_configuration.max_nodes}
        if provisioning_configuration.description:
            body["description"] = provisioning_configuration.description
        try:
            try:
                data = workspace._scope.post("compute/", {"name": name, **body})
            except Conflict:
                data = workspace._scope.patch(join("compute", name), body)
        except (BadInput, Conflict, NotAllowed) as error:
            raise ComputeTargetException(error.message) from None
        return ComputeTarget(workspace, name, data)

    @staticmethod
    def attach(workspace: Any, name: str, attach_configuration: Any) -> "ComputeTarget":
        raise NotSupportedError(
            "ComputeTarget.attach is not supported here: an administrator starts a worker of the portal on that "
            "machine; AmlCompute.provisioning_configuration makes a target of the machines that there are"
        )

    @staticmethod
    def list(workspace: Any) -> "List[ComputeTarget]":
        """Those that the workspace may use."""
        return [ComputeTarget(workspace, row["name"], row) for row in workspace._scope.get("compute/")]

    def wait_for_completion(
        self,
        show_output: bool = False,
        min_node_count: Optional[int] = None,
        timeout_in_minutes: Optional[float] = None,
        is_delete_operation: bool = False,
    ) -> None:
        """A target is there when it is made; with `min_node_count` until a machine takes its runs."""
        if show_output:
            print("Succeeded")
        if min_node_count and not is_delete_operation:
            deadline = time.monotonic() + 60 * (timeout_in_minutes if timeout_in_minutes is not None else 1)
            while not any(node["alive"] for node in self._fetch().get("nodes") or ()):
                if time.monotonic() >= deadline:
                    say("no machine takes the runs of {} yet: they wait".format(self.name))
                    return
                time.sleep(1)
        if show_output:
            print("AmlCompute wait for completion finished\n")
            print("Minimum number of nodes requested have been provisioned")

    def get_status(self) -> AmlComputeStatus:
        return AmlComputeStatus(self._fetch())

    @property
    def status(self) -> AmlComputeStatus:
        return self.get_status()

    @property
    def provisioning_state(self) -> str:
        return "Succeeded"

    @property
    def provisioning_errors(self) -> None:
        return None

    @property
    def type(self) -> str:
        return "AmlCompute"

    @property
    def vm_size(self) -> str:
        return "mlportal"

    @property
    def location(self) -> str:
        return "mlportal"

    @property
    def cluster_location(self) -> str:
        return "mlportal"

    @property
    def scale_settings(self) -> _ScaleSettings:
        return self.get_status().scale_settings

    @property
    def description(self) -> str:
        return str(self._data.get("description") or "")

    @property
    def id(self) -> str:
        return "{}/computes/{}".format(self.workspace._resource_id, self.name)

    def list_nodes(self) -> "List[Dict[str, Any]]":
        """The machines that take its runs."""
        return [{"nodeId": node["name"], **node} for node in self._fetch().get("nodes") or ()]

    def get(self) -> Dict[str, Any]:
        return self._fetch()

    def update(
        self,
        min_nodes: Optional[int] = None,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: Optional[int] = None,
        **others: Any,
    ) -> None:
        """`max_nodes` is how many runs it executes at a time; idle nodes cost nothing here."""
        if min_nodes or idle_seconds_before_scaledown is not None or others:
            say("min_nodes and idle_seconds_before_scaledown: not used; the portal's machines are always there")
        if max_nodes is not None:
            self._data = self.workspace._scope.patch(self._path, {"slots": int(max_nodes)})

    def add_tags(self, tags: Dict[str, str]) -> None:
        say("tags of a compute target: not kept; it has a description")

    def delete(self) -> None:
        """ComputeTargetException while runs that are not final use it."""
        from mlportal_sdk.errors import Conflict, NotAllowed

        try:
            self.workspace._scope.delete(self._path)
        except (Conflict, NotAllowed) as error:
            raise ComputeTargetException(error.message) from None

    def serialize(self) -> Dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "location": self.location,
            "properties": {
                "computeType": self.type,
                "provisioningState": self.provisioning_state,
                "description": self.description,
                "properties": self.get_status().serialize(),
            },
        }

    def __repr__(self) -> str:
        return "{}(workspace={!r}, name={}, type={}, provisioning_state={})".format(
            type(self).__name__, self.workspace, self.name, self.type, self.provisioning_state
        )


class AmlCompute(ComputeTarget):
    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: int = 1800,
        admin_username: Optional[str] = None,
        admin_user_password: Optional[str] = None,
        admin_user_ssh_key: Optional[str] = None,
        vnet_resourcegroup_name: Optional[str] = None,
        vnet_name: Optional[str] = None,
        subnet_name: Optional[str] = None,
        tags: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: Optional[str] = None,
        identity_id: Any = None,
        location: Optional[str] = None,
        enable_node_public_ip: bool = True,
    ) -> AmlComputeProvisioningConfiguration:
        say(
            "vm_size {}: not used; the target runs on the portal's machines, {} at a time (max_nodes)".format(
                vm_size or "none", max_nodes or DEFAULT_NODES
            )
        )
        return AmlComputeProvisioningConfiguration(max_nodes, description, vm_size=vm_size, min_nodes=min_nodes)

    @staticmethod
    def supported_vmsizes(workspace: Any, location: Optional[str] = None) -> "List[Dict[str, Any]]":
        """None to choose from: the portal's machines are what they are."""
        return []


class _Elsewhere(ComputeTarget):
    """Targets that Azure has beside its clusters."""

    @staticmethod
    def provisioning_configuration(*args: Any, **kwargs: Any) -> Any:
        raise NotSupportedError(
            "this kind of compute is not supported here: use AmlCompute.provisioning_configuration(max_nodes=…), or "
            'target="local"; services need no compute target'
        )

    @staticmethod
    def attach_configuration(*args: Any, **kwargs: Any) -> Any:
        raise NotSupportedError(
            "attaching a machine is not supported here: an administrator starts a worker of the portal on it"
        )


class AksCompute(_Elsewhere):
    pass


class ComputeInstance(_Elsewhere):
    pass


class DatabricksCompute(_Elsewhere):
    pass


class HDInsightCompute(_Elsewhere):
    pass


class RemoteCompute(_Elsewhere):
    pass
