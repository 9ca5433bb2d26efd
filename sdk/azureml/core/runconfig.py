"""`azureml.core.runconfig`: where and in what environment a script runs."""

from typing import Any, Dict, List, Optional, Union

from azureml._partial import Partial
from azureml._said import say
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.container_registry import ContainerRegistry
from azureml.core.environment import (
    DEFAULT_CPU_IMAGE,
    DEFAULT_GPU_IMAGE,
    DEFAULT_NAME,
    DockerSection,
    Environment,
    PythonSection,
    SparkSection,
)
from azureml.exceptions import NotSupportedError

__all__ = [
    "DEFAULT_CPU_IMAGE",
    "DEFAULT_GPU_IMAGE",
    "MPI_IMAGE",
    "ContainerRegistry",
    "DockerConfiguration",
    "DockerSection",
    "EnvironmentDefinition",
    "MpiConfiguration",
    "PyTorchConfiguration",
    "PythonSection",
    "RunConfiguration",
    "SparkSection",
    "TensorflowConfiguration",
]

MPI_IMAGE = DEFAULT_CPU_IMAGE
EnvironmentDefinition = Environment
_ONE_PROCESS = "a run is one process on one machine; use n_jobs or multiprocessing in the script"


class DockerConfiguration:
    """Taken and described; the portal runs scripts without containers."""

    def __init__(
        self,
        use_docker: bool = False,
        shared_volumes: bool = True,
        arguments: Optional[List[str]] = None,
        shm_size: Optional[str] = "2g",
    ) -> None:
        self.use_docker = use_docker
        self.shared_volumes = shared_volumes
        self.arguments = list(arguments or ())
        self.shm_size = shm_size


class MpiConfiguration:
    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count


class TensorflowConfiguration:
    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count


class PyTorchConfiguration:
    def __init__(
        self, communication_backend: str = "Nccl", process_count: Optional[int] = None, node_count: int = 1
    ) -> None:
        self.communication_backend = communication_backend
        self.process_count = process_count
        self.node_count = node_count


class _History:
    def __init__(self) -> None:
        self.output_collection = True
        self.snapshot_project = True
        self.directories_to_watch = ["logs"]


class RunConfiguration(Partial):
    """`target` is a compute target, its name, or "local", which is the portal's own machine."""

    def __init__(
        self,
        script: Optional[str] = None,
        arguments: Optional[List[Any]] = None,
        framework: Optional[str] = None,
        communicator: Optional[str] = None,
        conda_dependencies: Optional[CondaDependencies] = None,
        _history_enabled: Any = None,
        _path: Any = None,
        _name: Any = None,
        command: Optional[Union[str, List[str]]] = None,
    ) -> None:
        self.script = script
        self.arguments: List[Any] = list(arguments or ())
        self.command = command
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self.target: Any = "local"
        self.node_count = 1
        self.environment = Environment(DEFAULT_NAME)
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies
        self.environment_variables: Dict[str, str] = {}
        self.max_run_duration_seconds: Optional[int] = None
        self.docker: Any = DockerConfiguration()
        self.data: Dict[str, Any] = {}
        self.output_data: Dict[str, Any] = {}
        self.data_references: Dict[str, Any] = {}
        self.source_directory_data_store: Optional[str] = None
        self.auto_prepare_environment = True
        self.history = _History()
        self.mpi = MpiConfiguration()
        self.tensorflow = TensorflowConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.spark = SparkSection()
        self.amlcompute: Any = _Settings()
        self.hdi: Any = _Settings()

    @staticmethod
    def load(path: str, name: Optional[str] = None) -> "RunConfiguration":
        raise NotSupportedError(
            "RunConfiguration.load is not supported here: make a RunConfiguration in the notebook, or submit with "
            "the command `mlportal run`"
        )

    def save(
        self, path: Optional[str] = None, name: Optional[str] = None, separate_environment_yaml: bool = False
    ) -> None:
        raise NotSupportedError(
            "RunConfiguration.save is not supported here: keep the lines that make it, or use "
            "environment.save_to_directory"
        )

    def _check(self) -> None:
        """NotSupportedError for what would otherwise run as something else than was asked for."""
        if self.framework.lower() not in ("python", "none"):
            raise NotSupportedError("framework {!r} is not supported here: {}".format(self.framework, _ONE_PROCESS))
        if self.communicator.lower() != "none" or (self.node_count or 1) > 1:
            raise NotSupportedError("a run on several nodes is not supported here: {}".format(_ONE_PROCESS))
        if self.output_data:
            raise NotSupportedError(
                "output datasets are not supported here: write to ./outputs, which the portal keeps, and register a "
                "Dataset of what was downloaded from there"
            )
        docker = self.docker
        if isinstance(docker, DockerConfiguration) and docker.use_docker and docker.arguments:
            say("docker arguments: not used; the portal runs scripts without containers")


class _Settings:
    """Sections of clusters; notebooks set them, and the portal's compute target decides."""

    def __setattr__(self, name: str, value: Any) -> None:
        say("{}={!r}: not used; the compute target of the portal decides".format(name, value))
        self.__dict__[name] = value
