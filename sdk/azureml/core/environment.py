"""`azureml.core.environment`: a conda environment file with a name, and variables that the script sees."""

import copy
import json
import os
import re
from typing import Any, Dict, List, NamedTuple, Optional

from azureml._partial import Partial
from azureml._said import say
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.container_registry import ContainerRegistry
from azureml.exceptions import NotSupportedError, UserErrorException

__all__ = ["DEFAULT_CPU_IMAGE", "DEFAULT_GPU_IMAGE", "DockerSection", "Environment", "PythonSection", "SparkSection"]

DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.8-cudnn8-ubuntu22.04"
DEFAULT_NAME, DEFAULT = "default-environment", "AzureML-Minimal"  # of a RunConfiguration that says nothing
USER_MANAGED = "sklearn-today"  # the curated environment that stands in for the Python of the person's own machine

# Kept in the definition, which is all that the portal stores of an environment.
_VARIABLES = re.compile(r"^# environment-variables: (\{.*\})\s*$", re.MULTILINE)
_NO_IMAGE = "write what it installs as a conda file and use Environment.from_conda_specification"


class PythonSection:
    def __init__(self, **kwargs: Any) -> None:
        self.user_managed_dependencies = False
        self.interpreter_path = "python"
        self.conda_dependencies_file: Optional[str] = None
        self.base_conda_environment: Optional[str] = None
        self.conda_dependencies = CondaDependencies()


class DockerSection:
    """Taken and described; the portal runs scripts without containers."""

    def __init__(self, **kwargs: Any) -> None:
        self.enabled = False
        self.base_image: Optional[str] = DEFAULT_CPU_IMAGE
        self.base_dockerfile: Optional[str] = None
        self.base_image_registry = ContainerRegistry()
        self.platform: Any = None
        self.shared_volumes = True
        self.gpu_support = False
        self.shm_size: Optional[str] = None
        self.arguments: List[str] = []


class SparkSection:
    def __init__(self, **kwargs: Any) -> None:
        self.repositories: List[str] = []
        self.packages: List[Any] = []
        self.precache_packages = True


class Reference(NamedTuple):
    """A version that the portal has."""

    name: str
    version: int

    def as_body(self) -> Dict[str, Any]:
        return {"name": self.name, "version": self.version}


class Environment(Partial):
    """`version` is None until it is registered, which submitting and deploying do by themselves."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        if not isinstance(name, str) or not name:
            raise UserErrorException("an environment needs a name")
        self.name = name
        self.version: Optional[str] = None
        self.python = PythonSection()
        self.docker = DockerSection()
        self.spark = SparkSection()
        self.environment_variables: Dict[str, str] = {}
        self.inferencing_stack_version: Optional[str] = None
        self.databricks = None
        self.r = None
        self._registered: Optional[Reference] = None
        self._definition: Optional[str] = None  # of the version that is registered

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> "Environment":
        """The conda file as it is written: the portal reads it when it is registered or a run is submitted."""
        made = Environment(name)
        try:
            made.python.conda_dependencies = CondaDependencies(file_path)
        except OSError as error:
            raise UserErrorException("the conda file cannot be read: {}".format(error)) from None
        made.python.conda_dependencies_file = file_path
        return made

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, pip_version: Optional[str] = None) -> "Environment":
        """A requirements file's lines, comments left out, as the pip section; lines `-r other` are read too."""
        made = Environment(name)
        dependencies = CondaDependencies.create()
        dependencies.set_pip_requirements(["azureml-defaults"] + _requirements(file_path))
        made.python.conda_dependencies = dependencies
        return made

    @staticmethod
    def from_existing_conda_environment(name: str, conda_environment_name: str) -> "Environment":
        raise NotSupportedError(
            "Environment.from_existing_conda_environment is not supported here: run `conda env export --from-history "
            "-n {} > environment.yml` and use Environment.from_conda_specification".format(conda_environment_name)
        )

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: Any = None,
        conda_specification: Optional[str] = None,
        pip_requirements: Optional[str] = None,
    ) -> "Environment":
        if conda_specification or pip_requirements:
            say("image {}: not used; the portal builds the environment from the packages".format(image))
            if conda_specification:
                return Environment.from_conda_specification(name, conda_specification)
            return Environment.from_pip_requirements(name, str(pip_requirements))
        raise NotSupportedError("Environment.from_docker_image is not supported here: " + _NO_IMAGE)

    @staticmethod
    def from_dockerfile(
        name: str, dockerfile: str, conda_specification: Optional[str] = None, pip_requirements: Optional[str] = None
    ) -> "Environment":
        raise NotSupportedError("Environment.from_dockerfile is not supported here: " + _NO_IMAGE)

    @staticmethod
    def from_docker_build_context(name: str, docker_build_context: Any) -> "Environment":
        raise NotSupportedError("Environment.from_docker_build_context is not supported here: " + _NO_IMAGE)

    @staticmethod
    def get(workspace: Any, name: str, version: Any = None, label: Optional[str] = None) -> "Environment":
        """A version that the workspace has; without a number, and for the label Latest, the newest."""
        from mlportal_sdk.errors import NotFound

        if label is not None and label != "Latest":
            raise NotSupportedError("the label {!r} is not supported here: there is Latest, or a version".format(label))
        try:
            if version is None:
                found = workspace._scope.get("environments/{}/".format(name))["latest"]
            else:
                found = workspace._scope.get("environments/{}/versions/{}/".format(name, version))
        except NotFound:
            found = None
        if found is not None:
            return Environment._of_json(found)
        there = sorted(row["name"] for row in workspace._scope.pages("environments/"))
        alike = [other for other in there if other.lower() == name.lower()]  # Azure's names have no case
        if alike and name not in there:
            return Environment.get(workspace, alike[0], version)
        asked = name if version is None else "{} with version {}".format(name, version)
        raise UserErrorException(
            "there is no environment {} in the workspace; there are: {}".format(asked, ", ".join(there[:50]) or "none")
        )

    @staticmethod
    def list(workspace: Any) -> Dict[str, "Environment"]:
        """The latest version of each, by name."""
        rows = workspace._scope.pages("environments/")
        return {row["name"]: Environment.get(workspace, row["name"]) for row in rows if row["last_version"]}

    @classmethod
    def _of_json(cls, found: Dict[str, Any]) -> "Environment":
        made = cls(found["name"])
        made.python.conda_dependencies = CondaDependencies._of_text(found["definition"])
        variables = _VARIABLES.search(found["definition"])
        if variables:
            made.environment_variables = json.loads(variables.group(1))
        made._remember(found)
        return made

    def _remember(self, found: Dict[str, Any]) -> None:
        self.version = str(found["version"])
        self._registered = Reference(self.name, found["version"])
        self._definition = self._text()

    def register(self, workspace: Any) -> "Environment":
        """The next version of that name in the workspace; what is there already with equal content stays as it is."""
        self._reference(workspace, anew=True)
        return self

    def _reference(self, workspace: Any, anew: bool = False) -> Reference:
        """The version that the portal has of this; registered now unless it is as it was fetched."""
        if self.python.user_managed_dependencies:
            say(
                "user_managed_dependencies: the portal does not run in your own Python; the script runs in the "
                "environment {}, with today's scikit-learn and pandas".format(USER_MANAGED)
            )
            other = Environment.get(workspace, USER_MANAGED)
            assert other._registered is not None
            return other._registered
        self._say_what_is_not_used()
        if self.name == DEFAULT_NAME and self.python.conda_dependencies == CondaDependencies() and not anew:
            other = Environment.get(workspace, DEFAULT)  # nothing was asked for: any Python of the portal's does
            assert other._registered is not None
            return other._registered
        if anew or self._registered is None or self._text() != self._definition:
            body = {"name": self.name, "definition": self._text()}
            self._remember(workspace._scope.post("environments/", body))
        assert self._registered is not None
        return self._registered

    def _text(self) -> str:
        """The definition: the conda file, with the variables in a comment."""
        conda = self.python.conda_dependencies
        text = conda.serialize_to_string()
        variables = {str(name): str(value) for name, value in self.environment_variables.items()}
        known = _VARIABLES.search(text)
        if (json.loads(known.group(1)) if known else {}) == variables:
            return text
        text = _VARIABLES.sub("", text).rstrip("\n") + "\n"
        return (
            text + "# environment-variables: {}\n".format(json.dumps(variables, sort_keys=True)) if variables else text
        )

    def _say_what_is_not_used(self) -> None:
        docker = self.docker
        if docker.base_dockerfile or docker.base_image not in (None, DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE):
            say("docker.base_image of {}: not used; the portal installs python.conda_dependencies".format(self.name))
        if docker.arguments or docker.shm_size:
            say("docker.arguments and docker.shm_size: not used; the portal runs scripts without containers")
        if self.spark.packages:
            say("spark.packages: not used; the portal has no Spark")

    def clone(self, new_name: str) -> "Environment":
        """A copy under another name, not registered yet."""
        made = copy.deepcopy(self)
        made.name, made.version, made._registered = new_name, None, None
        return made

    def build(self, workspace: Any, image_build_compute: Any = None) -> "_ImageBuild":
        """Have the portal install it now."""
        return _ImageBuild(workspace, self._reference(workspace))

    def build_local(self, workspace: Any, platform: Any = None, **kwargs: Any) -> "_ImageBuild":
        say("build_local: the portal installs the environment on its own machine")
        return self.build(workspace)

    def get_image_details(self, workspace: Any) -> Any:
        raise NotSupportedError("Environment.get_image_details is not supported here: the portal makes no images")

    @staticmethod
    def add_private_pip_wheel(workspace: Any, file_path: str, exist_ok: bool = False) -> str:
        raise NotSupportedError(
            "Environment.add_private_pip_wheel is not supported here: put the package's folder beside the script, or "
            "its wheel into a package index that the portal's administrator allows"
        )

    def save_to_directory(self, path: str, overwrite: bool = False) -> None:
        """azureml_environment.json and conda_dependencies.yml in a folder, as Azure's SDK writes them."""
        if os.path.exists(path) and not overwrite:
            raise UserErrorException("{} is there already; overwrite=True replaces what is in it".format(path))
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, "azureml_environment.json"), "w", encoding="utf-8") as file:
            json.dump(self._as_dict(), file, indent=4)
            file.write("\n")
        self.python.conda_dependencies.save(os.path.join(path, "conda_dependencies.yml"))

    @staticmethod
    def load_from_directory(path: str) -> "Environment":
        """What `save_to_directory` wrote, here or with Azure's SDK."""
        try:
            with open(os.path.join(path, "azureml_environment.json"), encoding="utf-8") as file:
                content = json.load(file)
            made = Environment(content["name"])
        except (OSError, ValueError, KeyError) as error:
            raise UserErrorException("there is no environment in {}: {}".format(path, error)) from None
        made.environment_variables = dict(content.get("environmentVariables") or {})
        python = content.get("python") or {}
        made.python.user_managed_dependencies = bool(python.get("userManagedDependencies"))
        conda = os.path.join(path, "conda_dependencies.yml")
        if os.path.exists(conda):
            made.python.conda_dependencies = CondaDependencies(conda)
        elif isinstance(python.get("condaDependencies"), dict):
            made.python.conda_dependencies = CondaDependencies(_underlying_structure=python["condaDependencies"])
        return made

    def _as_dict(self) -> Dict[str, Any]:
        """In the shape of Azure's azureml_environment.json."""
        return {
            "name": self.name,
            "version": self.version,
            "environmentVariables": dict(self.environment_variables),
            "python": {
                "userManagedDependencies": self.python.user_managed_dependencies,
                "interpreterPath": self.python.interpreter_path,
                "condaDependenciesFile": None,
                "baseCondaEnvironment": None,
                "condaDependencies": self.python.conda_dependencies.as_dict(),
            },
            "docker": {"enabled": self.docker.enabled, "baseImage": self.docker.base_image, "shmSize": None},
            "spark": {"repositories": [], "packages": [], "precachePackages": True},
            "inferencingStackVersion": self.inferencing_stack_version,
        }

    def __repr__(self) -> str:
        return json.dumps(self._as_dict(), indent=4)


class _ImageBuild:
    """What `Environment.build` returns: the installation of one version."""

    def __init__(self, workspace: Any, reference: Reference) -> None:
        self._scope = workspace._scope
        self._version = "environments/{}/versions/{}/".format(reference.name, reference.version)
        self._scope.post(self._version + "build/")

    @property
    def status(self) -> str:
        build = self._scope.get(self._version)["build"]
        return build["status"] if build else "Succeeded"

    def wait_for_completion(self, show_output: bool = True) -> None:
        """Returns when it is installed; prints its log meanwhile. UserErrorException where it failed."""
        import time

        after = 0
        while True:
            build = self._scope.get(self._version)["build"]
            if build is None:
                return
            log = self._scope.get("builds/{}/log/".format(build["id"]), after=after)
            after = log["after"]
            if show_output and log["text"]:
                print(log["text"], end="", flush=True)
            if build["ended_at"] and not log["text"]:
                if build["error"]:
                    raise UserErrorException("the environment could not be built: {}".format(build["error"]))
                return
            time.sleep(0.5)


def _requirements(path: str, depth: int = 0) -> List[str]:
    if depth > 9:
        raise UserErrorException("{}: requirements files that include each other".format(path))
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except OSError as error:
        raise UserErrorException("the requirements file cannot be read: {}".format(error)) from None
    lines: List[str] = []
    for raw in text.replace("\\\n", " ").splitlines():
        line = " ".join(re.sub(r"(^|\s)#.*", "", raw).split())
        included = re.match(r"(?:-r|--requirement)[ =]?\s*(\S+)$", line)
        if included:
            lines += _requirements(os.path.join(os.path.dirname(path), included.group(1)), depth + 1)
        elif line:
            lines.append(line)
    return lines
