"""From a conda YAML to a Python environment on disk: spec → interpreter → lock → built environment → cache."""

from experiments.environments.build import BuiltEnvironment, build, find, sweep
from experiments.environments.conda_yaml import parse_conda_yaml
from experiments.environments.curated import CuratedEnvironment, curated
from experiments.environments.difference import explain, package_changes
from experiments.environments.errors import (
    BuildError,
    Canceled,
    EnvironmentFileError,
    EnvironmentProblem,
    FileError,
    InterpreterNotFound,
    ResolveError,
    TimedOut,
)
from experiments.environments.interpreters import Choice, Interpreter, choose, discover, knows, released
from experiments.environments.lock import Lock, resolve
from experiments.environments.spec import EnvironmentSpec, Note, PipPolicy

__all__ = [
    "BuildError",
    "BuiltEnvironment",
    "Canceled",
    "Choice",
    "CuratedEnvironment",
    "EnvironmentFileError",
    "EnvironmentProblem",
    "EnvironmentSpec",
    "FileError",
    "Interpreter",
    "InterpreterNotFound",
    "Lock",
    "Note",
    "PipPolicy",
    "ResolveError",
    "TimedOut",
    "build",
    "choose",
    "curated",
    "discover",
    "explain",
    "find",
    "knows",
    "package_changes",
    "parse_conda_yaml",
    "released",
    "resolve",
    "sweep",
]
