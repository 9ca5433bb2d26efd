"""The services themselves: state, requests, keys, logs."""

import json
import sys
import time
from typing import Any, Dict, List, Optional, Tuple, Type, Union

from azureml._partial import Partial
from azureml._registering import texts
from azureml._said import say
from azureml.core.webservice._configurations import (
    _SCALING,
    AciServiceDeploymentConfiguration,
    AksServiceDeploymentConfiguration,
    DeploymentConfiguration,
    LocalWebserviceDeploymentConfiguration,
    scaling_of,
)
from azureml.exceptions import NotSupportedError, WebserviceException

POLL_SECONDS = 0.5
DOT_SECONDS = 5.0
UNHEALTHY_SECONDS = 60.0  # what does not answer may still get well: it is started again


class _WebserviceType(type(Partial)):  # type: ignore[misc]
    def __call__(cls, workspace: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """`Webservice(ws, name)` is an AciWebservice, as most are in Azure."""
        return super(_WebserviceType, AciWebservice if cls is Webservice else cls).__call__(
            workspace, name, *args, **kwargs
        )


class Webservice(Partial, metaclass=_WebserviceType):
    """A service by its name. WebserviceException where the workspace has none."""

    _instead = {
        "deploy": "use Model.deploy",
        "deploy_from_image": "use Model.deploy: the portal makes no images",
        "deploy_from_model": "use Model.deploy",
        "deploy_local_from_model": "use Model.deploy",
        "create_version": "use service.set_candidate(models=…, percent=…), or Model.deploy with another name",
    }
    _compute_type = "ACI"

    def __init__(self, workspace: Any, name: str, _data: Optional[Dict[str, Any]] = None, **kwargs: Any) -> None:
        self.workspace = workspace
        self.name = name
        self._data = _data or self._fetch()
        self._inference_config: Any = None  # with which this process has deployed it

    @staticmethod
    def list(
        workspace: Any,
        compute_type: Optional[str] = None,
        image_name: Any = None,
        image_id: Any = None,
        model_name: Optional[str] = None,
        model_id: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        image_digest: Any = None,
    ) -> "List[Webservice]":
        """Those of the workspace, newest first. `compute_type` tells none apart: the portal serves all alike."""
        from azureml.core.model import _filters

        found = []
        for row in workspace._scope.pages("deployments/"):
            models = row.get("models", [row["version"]])
            ids = [one if isinstance(one, str) else "{name}:{version}".format(**one) for one in models]
            own = row.get("tags") or {}
            wanted = [one.partition("=") for one in _filters(tags)]
            if (
                (model_id is None or model_id in ids)
                and (model_name is None or any(one.rpartition(":")[0] == model_name for one in ids))
                and all(key in own and (not equals or own[key] == value) for key, equals, value in wanted)
            ):
                found.append(Webservice(workspace, row["name"], _data=row))
        return found

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def _scope(self) -> Any:
        return self.workspace._scope

    @property
    def _path(self) -> str:
        from mlportal_sdk.client import join

        return join("deployments", self.name)

    def _fetch(self) -> Dict[str, Any]:
        from mlportal_sdk.errors import NotFound

        try:
            self._data = self._scope.get(self._path)
        except NotFound:
            raise WebserviceException(
                "WebserviceNotFound: Webservice with name {} not found in the workspace {}".format(
                    self.name, self.workspace.name
                ),
                status_code=404,
            ) from None
        return self._data

    def update_deployment_state(self) -> None:
        """`state` asks each time; this is here for those who call it."""
        self._fetch()

    @property
    def state(self) -> str:
        """Transitioning, Healthy, Unhealthy, Failed, or the portal's own Stopped; as it is now."""
        return str(self._fetch()["status"])

    @property
    def compute_type(self) -> str:
        return self._compute_type

    @property
    def scoring_uri(self) -> str:
        return str(self._scope.url) + str(self._data["scoring_path"])

    @property
    def swagger_uri(self) -> str:
        """The service's OpenAPI."""
        return "{}/openapi.json".format(self.scoring_uri.rstrip("/").rpartition("/")[0])

    @property
    def auth_enabled(self) -> bool:
        return bool(self._data["auth_enabled"])

    token_auth_enabled = False

    @property
    def description(self) -> str:
        return str(self._data.get("description") or "")

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._data.get("tags") or {})

    @property
    def properties(self) -> Dict[str, str]:
        return dict(self._data.get("properties") or {})

    @property
    def created_time(self) -> Any:
        from azureml.core.model import _moment

        return _moment(self._data.get("created_at"))

    @property
    def error(self) -> Optional[str]:
        return self._fetch().get("failure") or None

    @property
    def models(self) -> "List[Any]":
        from azureml.core.model import Model

        found = self._data.get("models", [self._data["version"]])
        ids = [one if isinstance(one, str) else "{name}:{version}".format(**one) for one in found]
        return [Model(self.workspace, id=one) for one in ids]

    def get_portal_url(self) -> str:
        return str(self._scope.url) + str(self._data["page"])

    def serialize(self) -> Dict[str, Any]:
        return {
            "name": self.name,
            "computeType": self.compute_type,
            "state": self.state,
            "scoringUri": self.scoring_uri,
            "authEnabled": self.auth_enabled,
            "description": self.description,
            "tags": self.tags,
            "properties": self.properties,
        }

    # -- what it does ----------------------------------------------------------------------------------------------

    def run(self, input: Optional[Union[str, bytes]] = None, input_data: Optional[Union[str, bytes]] = None) -> Any:
        """What it answers to a body, usually JSON text. WebserviceException where it answers with an error."""
        from mlportal_sdk.errors import PortalError

        input = input_data if input is None else input  # Azure's classes name it differently
        if not isinstance(input, (str, bytes, bytearray)):
            raise WebserviceException(
                "Webservice.run needs the text or the bytes of a request, not {}: give json.dumps(…)".format(
                    "nothing" if input is None else type(input).__name__
                )
            )
        body = input.encode("utf-8") if isinstance(input, str) else bytes(input)
        try:
            answer = self._scope.raw(
                "POST", self._path + "score/", body=body, repeatable=False, timeout=120.0, whole=True
            )
        except PortalError as error:
            raise WebserviceException(
                "Received bad response from service. More information can be found by calling `.get_logs()` on the "
                "webservice object.\nResponse Code: {}\nContent: {}".format(error.status, error.message),
                status_code=error.status,
            ) from None
        text = answer.content.decode("utf-8")
        try:
            return json.loads(text)
        except ValueError:
            return text

    def wait_for_deployment(self, show_output: bool = False, timeout_sec: Optional[float] = None) -> None:
        """Returns when it is healthy. WebserviceException with the end of its log where it failed, or in time."""
        deadline = None if timeout_sec is None else time.monotonic() + timeout_sec
        if show_output:
            print(
                "Tips: You can try get_logs() to debug if deployment takes longer than 10 minutes.\nRunning",
                end="",
                flush=True,
            )
        dot_at = 0.0
        ill_since: Optional[float] = None
        while True:
            state = self.state
            now = time.monotonic()
            ill_since = (ill_since or now) if state == "Unhealthy" else None
            if state not in ("Transitioning", "Unhealthy") or (ill_since and now - ill_since > UNHEALTHY_SECONDS):
                break
            if deadline is not None and now >= deadline:
                raise WebserviceException("the service {} is still {}".format(self.name, state))
            if show_output and now >= dot_at:
                sys.stdout.write(".")
                sys.stdout.flush()
                dot_at = now + DOT_SECONDS
            time.sleep(POLL_SECONDS)
        outcome = "Succeeded" if state == "Healthy" else "Failed"
        if show_output:
            print('\n{0}\n{1} service creation operation finished, operation "{0}"'.format(outcome, self.compute_type))
        if outcome == "Failed":
            raise WebserviceException(
                "Service deployment polling reached non-successful terminal state, current service state: {}\n"
                "Error:\n{}\n{}".format(state, self._data.get("failure") or "none is known", self.get_logs(50))
            )

    def get_logs(self, num_lines: int = 5000, init: bool = False, raw: bool = False) -> str:
        """The last lines that it wrote."""
        lines = self._scope.get(self._path + "log/")["text"].splitlines(True)
        return "".join(lines[-num_lines:])

    def get_keys(self) -> Tuple[str, str]:
        """The primary and the secondary key."""
        found = self._scope.get(self._path + "keys/")
        return found["primary"], found["secondary"]

    def regen_key(self, key: str, set_key: Optional[str] = None) -> None:
        """A new one; the old one stops working. `key` is Primary or Secondary."""
        if set_key is not None:
            raise NotSupportedError("set_key is not supported here: the portal chooses keys")
        if str(key).lower() not in ("primary", "secondary"):
            raise WebserviceException("Error, key must be one of: Primary, Secondary")
        self._scope.post(self._path + "keys/regenerate/", {"key": str(key).lower()})

    def get_token(self) -> Any:
        raise WebserviceException("Error, the service has no tokens: its callers send a key, see get_keys()")

    def get_access_token(self) -> Any:
        return self.get_token()

    def update(
        self,
        image: Any = None,
        tags: Optional[Dict[str, str]] = None,
        properties: Any = None,
        description: Optional[str] = None,
        auth_enabled: Optional[bool] = None,
        models: "Optional[List[Any]]" = None,
        inference_config: Any = None,
        deployment_config: Any = None,
        **others: Any,
    ) -> None:
        """In place; other models or another script take over without an error for callers."""
        if image is not None:
            raise NotSupportedError("Webservice.update(image=…) is not supported here: give models")
        wish: Dict[str, Any] = {}
        if deployment_config is not None:
            tags = tags if tags is not None else deployment_config.tags
            description = description if description is not None else deployment_config.description
            auth_enabled = auth_enabled if auth_enabled is not None else deployment_config.auth_enabled
        if tags is not None:
            wish["tags"] = texts(tags)
        if description is not None:
            wish["description"] = description
        if auth_enabled is not None:
            wish["auth_enabled"] = bool(auth_enabled)
        if models is not None:
            wish["models"] = [{"name": model.name, "version": model.version} for model in models]
        if inference_config is not None:
            wish["inference"] = inference_config._body(self.workspace)
            self._inference_config = inference_config
        collect = others.pop("collect_model_data", getattr(deployment_config, "collect_model_data", None))
        scaling = dict(getattr(deployment_config, "scaling", None) or {})
        scaling.update(scaling_of(others))
        if scaling:
            wish["scaling"] = scaling
        given = sorted(name for name, value in others.items() if value is not None and name not in _SCALING)
        if properties is not None or given:
            say("{}: not used here".format(", ".join(given + (["properties"] if properties is not None else []))))
        if wish:
            self._data = self._scope.patch(self._path, wish)
        if collect is not None:
            self._collect(bool(collect))

    def _collect(self, on: bool) -> None:
        """Azure's model data collector: the portal keeps rows and predictions, for the page that watches the service."""
        self._scope.patch(self._path + "watch/", {"sample_percent": 100 if on else 0})
        if on:
            say(
                "collect_model_data: the newest rows and predictions are kept; the service's page Monitoring shows them"
            )

    def add_tags(self, tags: Dict[str, str]) -> None:
        self.update(tags={**self.tags, **texts(tags)})

    def remove_tags(self, tags: "List[str]") -> None:
        self.update(tags={key: value for key, value in self.tags.items() if key not in tags})

    def reload(self, wait: bool = False) -> None:
        """Starts it anew, with the entry script as it is now: the next call waits for it."""
        if self._inference_config is not None:
            wish = {"inference": self._inference_config._body(self.workspace)}
            self._scope.post(self._path + "stop/")  # else the old script answers until the new one is ready
            self._data = self._scope.patch(self._path, wish)
        elif self._data.get("entry_script"):
            raise NotSupportedError(
                "Webservice.reload is not supported here for a service that another process has deployed: "
                "use update(inference_config=…)"
            )
        else:
            self._scope.post(self._path + "stop/")
            self._scope.post(self._path + "start/")
        if wait:
            self.wait_for_deployment()

    def delete(self) -> None:
        """The service with its keys. One that is gone already is no error."""
        from mlportal_sdk.errors import NotFound

        try:
            self._scope.delete(self._path)
        except NotFound:
            pass

    @classmethod
    def deploy_configuration(cls, *args: Any, **kwargs: Any) -> DeploymentConfiguration:
        raise NotSupportedError("use AciWebservice.deploy_configuration")

    def __repr__(self) -> str:
        return "{}(workspace={!r}, name={}, compute_type={}, state={})".format(
            type(self).__name__, self.workspace, self.name, self.compute_type, self._data["status"]
        )

    # -- a second version beside the one that answers ------------------------------------------------------------

    def set_candidate(
        self,
        models: "Optional[List[Any]]" = None,
        inference_config: Any = None,
        percent: Optional[int] = None,
        mirror: Optional[int] = None,
    ) -> None:
        """The portal's own: give a second version a share of the requests, copies of the others, or both, in percent."""
        wish: Dict[str, Any] = {}
        if models is not None:
            wish["models"] = [{"name": model.name, "version": model.version} for model in models]
        if inference_config is not None:
            wish["inference"] = inference_config._body(self.workspace)
        for name, value in (("percent", percent), ("mirror", mirror)):
            if value is not None:
                wish[name] = value
        self._data = self._scope.put(self._path + "candidate/", wish)

    def remove_candidate(self) -> None:
        """The portal's own: the first version gets every request again."""
        self._scope.delete(self._path + "candidate/")

    def promote_candidate(self) -> None:
        """The portal's own: the second version gets every request; its processes go on."""
        self._data = self._scope.post(self._path + "candidate/promote/")

    def roll_back(self) -> None:
        """The portal's own: the version before this one answers again."""
        self._data = self._scope.post(self._path + "roll-back/")


class AciWebservice(Webservice):
    _compute_type = "ACI"

    @staticmethod
    def deploy_configuration(
        cpu_cores: Optional[float] = None,
        memory_gb: Optional[float] = None,
        tags: Optional[Dict[str, str]] = None,
        properties: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        location: Optional[str] = None,
        auth_enabled: Optional[bool] = None,
        **others: Any,
    ) -> AciServiceDeploymentConfiguration:
        return AciServiceDeploymentConfiguration(
            cpu_cores, memory_gb, tags, properties, description, auth_enabled, location=location, **others
        )


class AksEndpoint(Partial):
    _instead = {
        "deploy_configuration": "use AksWebservice.deploy_configuration, and service.set_candidate for a second version"
    }


class AksWebservice(Webservice):
    _compute_type = "AKS"

    @staticmethod
    def deploy_configuration(
        autoscale_enabled: Optional[bool] = None,
        autoscale_min_replicas: Optional[int] = None,
        autoscale_max_replicas: Optional[int] = None,
        autoscale_refresh_seconds: Optional[int] = None,
        autoscale_target_utilization: Optional[int] = None,
        collect_model_data: Optional[bool] = None,
        auth_enabled: Optional[bool] = None,
        cpu_cores: Optional[float] = None,
        memory_gb: Optional[float] = None,
        enable_app_insights: Optional[bool] = None,
        **others: Any,
    ) -> AksServiceDeploymentConfiguration:
        return AksServiceDeploymentConfiguration(
            cpu_cores,
            memory_gb,
            auth_enabled=auth_enabled,
            autoscale_enabled=autoscale_enabled,
            autoscale_min_replicas=autoscale_min_replicas,
            autoscale_max_replicas=autoscale_max_replicas,
            autoscale_refresh_seconds=autoscale_refresh_seconds,
            autoscale_target_utilization=autoscale_target_utilization,
            collect_model_data=collect_model_data,
            enable_app_insights=enable_app_insights,
            **others,
        )


class LocalWebservice(Webservice):
    """Azure ran it in a container of the laptop; here it is a service of the portal like the others."""

    _compute_type = "Local"

    @staticmethod
    def deploy_configuration(port: Optional[int] = None) -> LocalWebserviceDeploymentConfiguration:
        return LocalWebserviceDeploymentConfiguration(port=port)

    @property
    def port(self) -> Optional[int]:
        """Of the portal's address."""
        from urllib.parse import urlsplit

        return urlsplit(self.scoring_uri).port

    @property
    def base_url(self) -> str:
        return self.scoring_uri.rpartition("/")[0]


def class_for(configuration: Any) -> Type[Webservice]:
    """The class of Azure's that belongs to a deploy configuration."""
    return {"AKS": AksWebservice, "Local": LocalWebservice}.get(
        getattr(configuration, "compute_type", ""), AciWebservice
    )
