"""What `AciWebservice.deploy_configuration(…)` and the others return: resources, tags, and whether callers need a key."""

from typing import Any, Dict, Optional

from azureml._said import say

# What only Azure's networks and clusters have a meaning for.
_PLACES = (
    "location ssl_enabled ssl_cert_pem_file ssl_key_pem_file ssl_cname dns_name_label cmk_vault_base_url cmk_key_name "
    "cmk_key_version vnet_name subnet_name namespace compute_target_name autoscale_enabled autoscale_min_replicas "
    "autoscale_max_replicas autoscale_refresh_seconds autoscale_target_utilization max_request_wait_time num_replicas "
    "scoring_timeout_ms replica_max_concurrent_requests period_seconds initial_delay_seconds timeout_seconds "
    "success_threshold failure_threshold gpu_cores cpu_cores_limit memory_gb_limit blobfuse_enabled is_default "
    "traffic_percentile version_name primary_key secondary_key"
).split()
_FEATURES = {
    "token_auth_enabled": "callers send a key",
    "enable_app_insights": "the page of the service shows its requests",
}


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
        unknown = sorted(set(others) - set(_PLACES) - set(_FEATURES) - {"collect_model_data"})
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
