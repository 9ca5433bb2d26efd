"""Packages and classes of the Azure ML SDK that the portal does not have: they can be imported, and say so when used.

So a notebook's import cell passes, and the error stands at the line that needs the missing thing, naming it.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any, Optional

from azureml.exceptions import NotSupportedError

_SEARCH = "submit one run for each set of arguments, or search in the script (scikit-learn's GridSearchCV)"
_AUTOML = "train with scikit-learn in a script, such as with its GridSearchCV, and submit it by ScriptRunConfig"
_ESTIMATOR = "use azureml.core.ScriptRunConfig with an Environment"
_PIPELINE = "submit the steps one after the other with Experiment.submit, waiting for each"
_EXPLAIN = "call the explaining package itself in the script, and log or upload what it says"
_SPARK = "a run is one Python process: pandas and scikit-learn do there what fits into one machine"
_INPUT = "give the run a dataset, as in Dataset.File.from_files(…).as_named_input(name).as_mount()"
_TARGET = "use AmlCompute or a target of the workspace's page: the portal's workers are its machines"
_INSTEAD = {
    "azureml.automl": _AUTOML,
    "azureml.contrib": "the portal has none of the previews",
    "azureml.core.databricks": _SPARK,
    "azureml.core.image": "use azureml.core.Environment and Model.deploy: the portal makes no images",
    "azureml.datadrift": "compare the data in a script of your own",
    "azureml.dataprep": "use azureml.core.Dataset, or pandas in the script",
    "azureml.explain": _EXPLAIN,
    "azureml.interpret": _EXPLAIN,
    "azureml.monitoring": "the page of a service shows its requests",
    "azureml.opendatasets": "download the data and use Dataset.File.from_files or Dataset.Tabular.from_delimited_files",
    "azureml.pipeline": _PIPELINE,
    "azureml.responsibleai": _EXPLAIN,
    "azureml.studio": _PIPELINE,
    "azureml.tensorboard": "the run's page draws its metrics; write event files to outputs/ and open them with tensorboard",
    "azureml.train": _ESTIMATOR,
    "azureml.train.automl": _AUTOML,
    "azureml.train.hyperdrive": _SEARCH,
}


_CLASSES = {
    "AdlaCompute": _TARGET,
    "ArmTokenAuthentication": "a token of the portal counts: mlportal login, or MLPORTAL_TOKEN",
    "AzureContainerRegistry": "the portal makes no images: use azureml.core.Environment",
    "BatchCompute": _TARGET,
    "DataFactoryCompute": _TARGET,
    "DataPathComputeBinding": _INPUT,
    "DataReferenceConfiguration": _INPUT,
    "DatabricksCompute": _TARGET,
    "DockerEnvironment": "use azureml.core.Environment: the portal makes no images",
    "DsvmCompute": _TARGET,
    "HDInsightCompute": _TARGET,
    "HistoryConfiguration": "the portal keeps every run's files and logs",
    "KubernetesCompute": _TARGET,
    "PythonEnvironment": "use environment.python.conda_dependencies",
    "RemoteCompute": _TARGET,
    "ScaleSettings": "max_nodes of AmlCompute.provisioning_configuration is how many runs a target executes at a time",
    "SparkConfiguration": _SPARK,
    "SparkPackage": _SPARK,
    "SynapseCompute": _SPARK,
}
_COVERED = ("azureml.core.", "azureml.data.")


class _Unsupported(type):
    """A name of such a package: calling it, or asking it for a member, is the error."""

    _instead = ""

    def _refuse(cls, member: str = "") -> NotSupportedError:
        return NotSupportedError(
            "{}.{}{} is not supported here: {}".format(cls.__module__, cls.__name__, member, cls._instead)
        )

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise cls._refuse()

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):  # asked for by inspect, pickle and the like
            raise AttributeError(name)
        raise cls._refuse("." + name)


class _OutsideModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        full_name = "{}.{}".format(self.__name__, name)
        if name.startswith("__") or any(known == full_name or known.startswith(full_name + ".") for known in _INSTEAD):
            raise AttributeError(name)  # a module of the table: the import system goes on to look for it
        return _stand_in(self, name, _advice(self.__name__))


class _CoveredModule(ModuleType):
    """A module that is there: a class that it lacks can be imported, too."""

    def __getattr__(self, name: str) -> Any:
        return missing(self, name)


def missing(module: ModuleType, name: str) -> Any:
    """What stands in for a class of Azure's that a module lacks. Raises AttributeError for all other names."""
    if name not in _CLASSES:
        raise AttributeError("module {!r} has no attribute {!r}".format(module.__name__, name))
    return _stand_in(module, name, _CLASSES[name])


def _stand_in(module: ModuleType, name: str, instead: Optional[str]) -> Any:
    value = _Unsupported(name, (), {"__module__": module.__name__, "_instead": instead})
    module.__dict__[name] = value
    return value


class _CoveringLoader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if type(module) is ModuleType:  # else it answers by itself
            module.__class__ = _CoveredModule


class _Coverer:
    """At the beginning of sys.meta_path: the SDK's modules, with an answer for what they lack."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if not name.startswith(_COVERED):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _CoveringLoader(name, spec.loader.path)
        return spec


class _Finder:
    """At the end of sys.meta_path: it is asked only for what is not there."""

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if not name.startswith("azureml.") or _advice(name) is None:
            return None
        return ModuleSpec(name, cls, is_package=True)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _OutsideModule(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        pass


def _advice(name: str) -> Optional[str]:
    """Of the longest name in the table that the module is, or is in."""
    parts = name.split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 1, -1))
    return next((_INSTEAD[known] for known in names if known in _INSTEAD), None)


def install() -> None:
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Coverer)  # type: ignore[arg-type]
        sys.meta_path.append(_Finder)  # type: ignore[arg-type]
