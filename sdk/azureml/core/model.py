"""`azureml.core.model`: registered models, what serves them, and where a script finds their files."""

import os
from typing import Any, Dict, List, Optional, Union

from azureml._partial import Partial
from azureml._registering import register_from_folder, texts
from azureml._said import say
from azureml.core.environment import Environment
from azureml.core.resource_configuration import ResourceConfiguration
from azureml.exceptions import ModelNotFoundException, NotSupportedError, UserErrorException, WebserviceException

__all__ = ["InferenceConfig", "Model"]


class InferenceConfig(Partial):
    """A scoring script, `init()` and `run(raw_data)`, with its folder and environment."""

    def __init__(
        self,
        entry_script: str,
        runtime: Optional[str] = None,
        conda_file: Optional[str] = None,
        extra_docker_file_steps: Optional[str] = None,
        source_directory: Optional[str] = None,
        enable_gpu: Optional[bool] = None,
        description: Optional[str] = None,
        base_image: Optional[str] = None,
        base_image_registry: Any = None,
        cuda_version: Optional[str] = None,
        environment: Optional[Environment] = None,
    ) -> None:
        if extra_docker_file_steps or base_image or enable_gpu:
            say("extra_docker_file_steps, base_image and enable_gpu: not used; the portal serves without containers")
        if environment is None and conda_file is not None:
            path = conda_file if os.path.exists(conda_file) else os.path.join(source_directory or ".", conda_file)
            environment = Environment.from_conda_specification("inference-env", path)
        self.entry_script = entry_script
        self.source_directory = source_directory
        self.environment = environment
        self.description = description

    def _body(self, workspace: Any) -> Dict[str, Any]:
        """What deployments take; the folder (or the script alone) and the environment are sent."""
        import shutil
        import tempfile

        directory, script = self.source_directory, self.entry_script.replace("\\", "/")
        with tempfile.TemporaryDirectory() as alone:
            if directory is None:
                if not os.path.isfile(self.entry_script):
                    raise UserErrorException("there is no entry script {}".format(os.path.abspath(self.entry_script)))
                script = os.path.basename(self.entry_script)
                shutil.copyfile(self.entry_script, os.path.join(alone, script))
                directory = alone
            elif not os.path.isfile(os.path.join(directory, script)):
                raise UserErrorException("there is no {} in {}".format(script, os.path.abspath(directory)))
            body: Dict[str, Any] = {
                "entry_script": script,
                "snapshot": workspace._scope.snapshot(directory)["uid"],
                "environment_variables": {},
            }
        if self.environment is not None:
            body["environment"] = self.environment._reference(workspace).as_body()
            body["environment_variables"] = {
                str(name): str(value) for name, value in self.environment.environment_variables.items()
            }
        return body


class Model(Partial):
    """A version of a registered model. `Model(ws, name)` is the latest one, or raises ModelNotFoundException."""

    class Framework(Partial):
        CUSTOM = "Custom"
        TENSORFLOW = "TensorFlow"
        SCIKITLEARN = "ScikitLearn"
        ONNX = "Onnx"
        TFKERAS = "TfKeras"
        PYTORCH = "PyTorch"
        MULTI = "Multi"

    _instead = {
        "get_sas_urls": "download the model",
        "package": "deploy it: the portal makes no images",
        "profile": "the page of a service shows how long its requests take",
    }

    _SUPPORTED_FRAMEWORKS_FOR_NO_CODE_DEPLOY = ["ScikitLearn"]

    def __init__(
        self,
        workspace: Any,
        name: Optional[str] = None,
        id: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        version: Optional[int] = None,
        run_id: Optional[str] = None,
        model_framework: Optional[str] = None,
        expand: bool = True,
        _data: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> None:
        if _data is None:
            if not name and not id:
                raise UserErrorException("Model needs a name or an id")
            if id and not name:
                name, _, number = id.rpartition(":")
                version = int(number) if number.isdigit() else version
                name = name or id
            found = Model.list(workspace, name, tags, properties, run_id, model_framework=model_framework)
            matching = [model for model in found if version is None or model.version == int(version)]
            if not matching:
                asked = name if version is None else "{}:{}".format(name, version)
                raise ModelNotFoundException(
                    "ModelNotFound: Model with name {} not found in the workspace {}".format(asked, workspace.name)
                )
            _data = max(matching, key=lambda model: model.version)._data
        self.workspace = workspace
        self._data = _data

    @classmethod
    def _of_json(cls, workspace: Any, data: Dict[str, Any]) -> "Model":
        return cls(workspace, data["name"], _data=data)

    @staticmethod
    def register(
        workspace: Any,
        model_path: str,
        model_name: str,
        tags: Optional[Dict[str, str]] = None,
        properties: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        child_paths: Optional[List[str]] = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Optional[ResourceConfiguration] = None,
        environment: Optional[Environment] = None,
        **kwargs: Any,
    ) -> "Model":
        """A file or folder of this machine as the next version. `environment` is what it is served in."""
        wish = {
            "tags": tags,
            "properties": properties,
            "description": description,
            "datasets": datasets,
            "framework": model_framework,
            "framework_version": model_framework_version,
            "samples": (sample_input_dataset, sample_output_dataset),
            "resources": resource_configuration,
            "environment": environment,
        }
        print("Registering model {}".format(model_name))
        made: Model = register_from_folder(workspace, model_name, model_path, child_paths, wish)
        return made

    @staticmethod
    def list(
        workspace: Any,
        name: Optional[str] = None,
        tags: Any = None,
        properties: Any = None,
        run_id: Optional[str] = None,
        latest: bool = False,
        dataset_id: Optional[str] = None,
        expand: bool = True,
        page_count: int = 255,
        model_framework: Optional[str] = None,
    ) -> "List[Model]":
        """Versions, newest first. `tags` and `properties` are lists of a name, or of [name, value]."""
        if dataset_id is not None:
            raise NotSupportedError("Model.list by dataset_id is not supported here: see the tags and properties")
        asked = {
            "name": name,
            "tag": _filters(tags),
            "property": _filters(properties),
            "run": run_id,
            "framework": model_framework,
            "latest": True if latest else None,
        }
        return [Model._of_json(workspace, row) for row in workspace._scope.pages("model-versions/", **asked)]

    @staticmethod
    def deploy(
        workspace: Any,
        name: str,
        models: "List[Model]",
        inference_config: Optional[InferenceConfig] = None,
        deployment_config: Any = None,
        deployment_target: Any = None,
        overwrite: bool = False,
        show_output: bool = False,
    ) -> Any:
        """A service of the portal, which is starting when this returns: `wait_for_deployment`."""
        from azureml.core.webservice._deploying import deploy

        if deployment_target is not None:
            say("deployment_target: not used; the portal serves by itself")
        service = deploy(workspace, name, models, inference_config, deployment_config, overwrite)
        if show_output:
            service.wait_for_deployment(True)
        return service

    @staticmethod
    def get_model_path(model_name: str, version: Optional[int] = None, _workspace: Any = None) -> str:
        """In a service and in a run below AZUREML_MODEL_DIR; else in azureml-models/, where it is downloaded to."""
        base = os.environ.get("AZUREML_MODEL_DIR")
        if base:
            found = _deployed_path(base, model_name, version)
            if found:
                return found
        versions = os.path.join("azureml-models", model_name)
        numbers = (
            sorted(int(entry) for entry in os.listdir(versions) if entry.isdigit()) if os.path.isdir(versions) else []
        )
        if _workspace is None and numbers and (version is None or int(version) in numbers):
            return _only_entry(os.path.join(versions, str(version or numbers[-1])))
        workspace = _workspace
        if workspace is None:
            if base:
                raise ModelNotFoundException("Model {} not found in {}".format(model_name, base))
            from azureml.core.workspace import Workspace

            workspace = Workspace.from_config()
        model = Model(workspace, model_name, version=version)
        return model.download(os.path.join(versions, str(model.version)), exist_ok=True)

    def download(self, target_dir: str = ".", exist_ok: bool = False, exists_ok: Optional[bool] = None) -> str:
        """Its files into the folder; returns the path of the file, or of the folder that they have in common."""
        from mlportal_sdk.uploads import artifact_name

        overwrite = exist_ok if exists_ok is None else exists_ok
        full = self._scope.get(self._path)
        targets = []
        for file in full["files"]:
            target = os.path.join(target_dir, *artifact_name(file["path"]).split("/"))
            if os.path.exists(target) and not overwrite:
                raise WebserviceException(
                    "File already exists at {}. exist_ok=True replaces it.".format(os.path.abspath(target))
                )
            targets.append((file, target))
        for file, target in targets:
            self._scope.download(
                self._path + "files/content/", target, size=file["size"], sha256=file["sha256"], path=file["path"]
            )
        tops = {artifact_name(file["path"]).split("/")[0] for file in full["files"]}
        return os.path.join(target_dir, tops.pop()) if len(tops) == 1 else target_dir

    def delete(self) -> None:
        """This version. WebserviceException while a service uses it."""
        from mlportal_sdk.errors import Conflict

        try:
            self._scope.delete(self._path)
        except Conflict as error:
            raise WebserviceException(error.message, status_code=409) from None

    def update(
        self,
        tags: Optional[Dict[str, str]] = None,
        description: Optional[str] = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Optional[ResourceConfiguration] = None,
    ) -> None:
        """In place. `tags` are all that it has afterwards."""
        wish: Dict[str, Any] = {}
        if tags is not None:
            wish["tags"] = texts(tags)
        if description is not None:
            wish["description"] = description
        if resource_configuration is not None:
            wish["cpu"], wish["memory_gb"] = resource_configuration.cpu, resource_configuration.memory_in_gb
        self._change(wish)
        if sample_input_dataset is not None:
            from azureml._samples import send_sample

            send_sample(self, sample_input_dataset, sample_output_dataset)

    def add_tags(self, tags: Dict[str, str]) -> None:
        self._change({"add_tags": texts(tags)})

    def remove_tags(self, tags: Union[str, "List[str]"]) -> None:
        self._change({"remove_tags": [tags] if isinstance(tags, str) else list(tags)})

    def add_properties(self, properties: Dict[str, str]) -> None:
        self._change({"add_properties": texts(properties)})

    def update_tags_properties(
        self,
        add_tags: Optional[Dict[str, str]] = None,
        remove_tags: Optional["List[str]"] = None,
        add_properties: Optional[Dict[str, str]] = None,
    ) -> None:
        wish: Dict[str, Any] = {}
        if add_tags:
            wish["add_tags"] = texts(add_tags)
        if remove_tags:
            wish["remove_tags"] = list(remove_tags)
        if add_properties:
            wish["add_properties"] = texts(add_properties)
        self._change(wish)

    def _change(self, wish: Dict[str, Any]) -> None:
        from mlportal_sdk.errors import Conflict

        try:
            self._data = self._scope.patch(self._path, wish)
        except Conflict as error:
            raise UserErrorException(error.message) from None

    @property
    def _scope(self) -> Any:
        return self.workspace._scope

    @property
    def _path(self) -> str:
        from mlportal_sdk.client import join

        return join("models", self.name, "versions", self.version)

    @property
    def name(self) -> str:
        return str(self._data["name"])

    @property
    def version(self) -> int:
        return int(self._data["version"])

    @property
    def id(self) -> str:
        return "{}:{}".format(self.name, self.version)

    @property
    def url(self) -> str:
        return "aml://asset/{}".format(self.id)

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._data["tags"])

    @property
    def properties(self) -> Dict[str, str]:
        return dict(self._data["properties"])

    @property
    def description(self) -> str:
        return str(self._data.get("description") or "")

    @property
    def model_framework(self) -> str:
        return str(self._data["framework"])

    framework = model_framework

    @property
    def model_framework_version(self) -> Optional[str]:
        return self._data.get("framework_version") or None

    framework_version = model_framework_version

    @property
    def resource_configuration(self) -> ResourceConfiguration:
        return ResourceConfiguration(self._data.get("cpu"), self._data.get("memory_gb"))

    @property
    def created_time(self) -> Any:
        return _moment(self._data.get("created_at"))

    @property
    def created_by(self) -> Any:
        return self._data.get("created_by")

    @property
    def run_id(self) -> Optional[str]:
        return self._data.get("run")

    @property
    def run(self) -> Any:
        from azureml.core.run import Run

        return Run.get(self.workspace, self.run_id) if self.run_id else None

    @property
    def experiment_name(self) -> Optional[str]:
        run = self.run
        return run.experiment.name if run is not None else None

    @property
    def mime_type(self) -> str:
        return "application/json"

    def get_portal_url(self) -> str:
        return str(self._scope.url) + str(self._data["page"])

    def serialize(self) -> Dict[str, Any]:
        return {
            "createdTime": self._data.get("created_at"),
            "createdBy": self.created_by,
            "description": self.description,
            "experimentName": None,
            "framework": self.model_framework,
            "frameworkVersion": self.model_framework_version,
            "id": self.id,
            "mimeType": self.mime_type,
            "name": self.name,
            "properties": self.properties,
            "runId": self.run_id or "",
            "tags": self.tags,
            "unpack": False,
            "url": self.url,
            "version": self.version,
            "resourceConfiguration": self.resource_configuration.serialize(),
        }

    @staticmethod
    def print_configuration(
        models: "List[Model]", inference_config: Any, deployment_config: Any, deployment_target: Any
    ) -> None:
        for model in models:
            print("Model: {}".format(model.id))
        if inference_config is not None:
            print("Entry script: {}".format(inference_config.entry_script))

    def __repr__(self) -> str:
        return "Model(workspace={!r}, name={}, id={}, version={}, tags={}, properties={})".format(
            self.workspace, self.name, self.id, self.version, self.tags, self.properties
        )


def _deployed_path(base: str, name: str, version: Optional[int]) -> Optional[str]:
    """Azure lays several models out as name/version/…, and one model flat: both are taken."""
    folder = os.path.join(base, name)
    if os.path.isdir(folder):
        numbers = sorted(int(entry) for entry in os.listdir(folder) if entry.isdigit())
        if version is not None:
            return _only_entry(os.path.join(folder, str(version))) if int(version) in numbers else None
        return _only_entry(os.path.join(folder, str(numbers[-1]))) if numbers else folder
    if os.path.exists(folder):
        return folder
    return _only_entry(base) if os.path.isdir(base) and os.listdir(base) else None


def _only_entry(folder: str) -> str:
    """The file or folder that is alone in a folder, else the folder."""
    entries = os.listdir(folder)
    return os.path.join(folder, entries[0]) if len(entries) == 1 else folder


def _filters(pairs: Any) -> "List[str]":
    """Azure's ["name", ["name", "value"]], {name: value} or "name" as `name` and `name=value`."""
    if pairs is None:
        return []
    if isinstance(pairs, str):
        return [pairs]
    if isinstance(pairs, dict):
        pairs = list(pairs.items())
    return [one if isinstance(one, str) else "{}={}".format(*one) for one in pairs]


def _moment(text: Optional[str]) -> Any:
    """An ISO moment as a datetime; Python 3.6 has no fromisoformat."""
    if not text:
        return None
    from datetime import datetime, timezone

    plain = text.replace("Z", "").split("+")[0]
    shape = "%Y-%m-%dT%H:%M:%S.%f" if "." in plain else "%Y-%m-%dT%H:%M:%S"
    return datetime.strptime(plain, shape).replace(tzinfo=timezone.utc)
