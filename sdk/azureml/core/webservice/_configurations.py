"""What `AciWebservice.deploy_configuration(…)` and the others return: resources, tags, and whether callers need a key."""

from typing import Any, Dict, Optional

from azureml._said import say

# What only Azure's networks and clusters have a meaning for.
_PLACES = (
    "location ssl_enabled ssl_cert_pem_file ssl_key_pem_file ssl_cname dns_name_label cmk_vault_base_url cmk_key_name "
    "cmk_key_version vnet_name subnet_name namespace compute_target_name max_request_wait_time "
    "scoring_timeout_ms replica_max_concurrent_requests period_seconds initial_delay_seconds timeout_seconds "
    "success_threshold failure_threshold gpu_cores cpu_cores_limit memory_gb_limit blobfuse_enabled is_default "
    "traffic_percentile version_name primary_key secondary_key"
).split()
_SCALING = (
    "autoscale_enabled autoscale_min_replicas autoscale_max_replicas autoscale_refresh_seconds "
    "autoscale_target_utilization num_replicas"
).split()
_MOST_BY_LOAD = 10  # Azure's, where autoscale_enabled=True says no number
_FEATURES = {
    "token_auth_enabled": "callers send a key",
    "enable_app_insights": "the page of the service shows its requests",
}


def scaling_of(given: Dict[str, Any]) -> Dict[str, int]:
    """How many replicas, as the portal takes it: a number, or from a least to a most by load. Empty: as it is."""
    found: Dict[str, int] = {}
    for name in ("autoscale_refresh_seconds", "autoscale_target_utilization"):
        if given.get(name) is not None:
            found[name] = int(given[name])
    enabled = given.get("autoscale_enabled")
    low, high = given.get("autoscale_min_replicas"), given.get("autoscale_max_replicas")
    if given.get("num_replicas") is not None and not enabled:
        found["replicas"] = int(given["num_replicas"])
    elif enabled or (enabled is None and (low is not None or high is not None)):
        found["min_replicas"] = int(low or 1)
        found["max_replicas"] = int(high or max(_MOST_BY_LOAD, int(low or 1)))
    return found


class DeploymentConfiguration:
    """Of any place: the portal serves them all alike."""

    compute_type = ""

    def __init__(
        self,
        cpu_cores: Optional[float] = None,
        memory_gb: Optional[float] = None,
        tags: Optional[Dict[str, str]] = None,
        properties: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        auth_enabled: Optional[bool] = None,
        port: Optional[int] = None,
        **others: Any,
    ) -> None:
        unknown = sorted(set(others) - set(_PLACES) - set(_FEATURES) - set(_SCALING) - {"collect_model_data"})
        if unknown:
            raise TypeError("deploy_configuration() got an unexpected keyword argument {!r}".format(unknown[0]))
        given = sorted(name for name in _PLACES if others.get(name) not in (None, False))
        if given:
            say("{}: not used; the portal serves at its own address".format(", ".join(given)))
        for name, instead in _FEATURES.items():
            if others.get(name):
                say("{}: not used; {}".format(name, instead))
        if port is not None:
            say("port={}: not used; the portal serves at its own address: see scoring_uri".format(port))
        self.scaling = scaling_of(others)
        self.cpu_cores, self.memory_gb = cpu_cores, memory_gb
        self.tags, self.properties, self.description = tags, properties, description
        self.auth_enabled = auth_enabled
        self.collect_model_data = others.get("collect_model_data")

    def validate_configuration(self) -> None:
        """The portal judges when it deploys."""

    def print_deploy_configuration(self) -> None:
        print("cpu_cores: {}\nmemory_gb: {}".format(self.cpu_cores, self.memory_gb))


class AciServiceDeploymentConfiguration(DeploymentConfiguration):
    compute_type = "ACI"


class AksServiceDeploymentConfiguration(DeploymentConfiguration):
    compute_type = "AKS"


class LocalWebserviceDeploymentConfiguration(DeploymentConfiguration):
    compute_type = "Local"
