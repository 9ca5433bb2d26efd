"""`azureml.core.script_run_config`: a script with its folder, arguments, environment and target, ready to submit."""

import os
import re
import shlex
from typing import Any, Dict, List, Optional, Union

from azureml._partial import Partial
from azureml._said import say
from azureml.core.environment import Environment
from azureml.core.runconfig import RunConfiguration
from azureml.exceptions import NotSupportedError, UserErrorException

__all__ = ["ScriptRunConfig", "get_run_config_from_script_run"]

# What a shell would take for itself, outside of the quotes that keep it from that. A data reference is the portal's to fill in.
_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\$`]|\\[\s\S])*"|\\[\s\S]""")
_SHELL = re.compile(r"[;&|<>()`*\n]|\$(?!AZUREML_DATAREFERENCE_)")

DEFAULT_SECONDS = 2592000  # Azure's thirty days: the portal's own limit stands


class ScriptRunConfig(Partial):
    """What `Experiment.submit` takes. `run_config` holds the target and the environment, and may be changed until then."""

    def __init__(
        self,
        source_directory: str,
        script: Optional[str] = None,
        arguments: Optional[List[Any]] = None,
        run_config: Optional[RunConfiguration] = None,
        _telemetry_values: Any = None,
        compute_target: Any = None,
        environment: Optional[Environment] = None,
        distributed_job_config: Any = None,
        resume_from: Any = None,
        max_run_duration_seconds: Optional[int] = DEFAULT_SECONDS,
        command: Optional[Union[str, List[str]]] = None,
        docker_runtime_config: Any = None,
    ) -> None:
        if run_config is not None and (compute_target is not None or environment is not None):
            raise UserErrorException("give either run_config, or compute_target and environment")
        if resume_from is not None:
            raise NotSupportedError("resume_from is not supported here: download the other run's files in the script")
        if script is not None and command is not None:
            raise UserErrorException("give either script or command")
        self.source_directory = os.path.abspath(source_directory or ".")
        self.source_directory_data_store: Optional[str] = None
        self.run_config = run_config or RunConfiguration()
        self.script = script or self.run_config.script
        self.arguments = list(arguments if arguments is not None else self.run_config.arguments)
        self.command = command or self.run_config.command
        if compute_target is not None:
            self.run_config.target = compute_target
        if environment is not None:
            self.run_config.environment = environment
        if docker_runtime_config is not None:
            self.run_config.docker = docker_runtime_config
        self.max_run_duration_seconds = max_run_duration_seconds
        self._distributed = distributed_job_config

    def _submission(self, workspace: Any) -> Dict[str, Any]:
        """The body of `POST runs/`, without the experiment and the snapshot; the environment is registered.

        An argument, or an entry of `run_config.data`, with a method `_as_run_input(workspace, name)` is an input: it
        answers {"name", "dataset", "mode"}, and the argument becomes `DatasetConsumptionConfig:<name>`.
        """
        run_config = self.run_config
        if (
            getattr(self._distributed, "node_count", 1) > 1
            or (getattr(self._distributed, "process_count", None) or 1) > 1
        ):
            raise NotSupportedError("a distributed job is not supported here: a run is one process on one machine")
        run_config._check()
        script, words = self._script_and_words()
        inputs: List[Dict[str, Any]] = []
        arguments = [_argument(word, inputs, workspace) for word in words]
        for name, value in {**run_config.data, **run_config.data_references}.items():
            _input(value, inputs, workspace, name)
        environment = run_config.environment
        body = {
            "environment": environment._reference(workspace).as_body(),
            "script": script,
            "arguments": arguments,
            "target": _target_name(run_config.target),
            "environment_variables": {
                str(name): str(value)
                for name, value in {**environment.environment_variables, **run_config.environment_variables}.items()
            },
        }
        seconds = run_config.max_run_duration_seconds or self.max_run_duration_seconds
        if seconds and seconds != DEFAULT_SECONDS:
            body["wall_seconds"] = int(seconds)
        if inputs:
            body["inputs"] = inputs
        return body

    def _script_and_words(self) -> Any:
        """The script, as a path in the folder, and its arguments."""
        script, words = self.script, list(self.arguments)
        if self.command is not None:
            parts = shlex.split(self.command) if isinstance(self.command, str) else list(self.command)
            interpreter = os.path.basename(str(parts[0])) if parts else ""
            if len(parts) < 2 or not interpreter.startswith("python") or not str(parts[1]).endswith(".py"):
                raise NotSupportedError(
                    "the command {!r} is not supported here: a run starts a Python script, as in "
                    "['python', 'train.py', …]".format(self.command)
                )
            given = (
                [self.command] if isinstance(self.command, str) else [part for part in parts if isinstance(part, str)]
            )
            found = next(filter(None, (_SHELL.search(_QUOTED.sub("", text.strip())) for text in given)), None)
            if found:
                raise NotSupportedError(
                    "{!r} in the command {!r} is not supported here: no shell reads it. Call what it means in the "
                    "script, and give a run one Python script with its arguments".format(found.group(), self.command)
                )
            script, words = str(parts[1]), parts[2:] + words
        if not script:
            raise UserErrorException("ScriptRunConfig needs a script")
        script = script.replace("\\", "/")
        path = os.path.normpath(os.path.join(self.source_directory, script))
        if not os.path.isfile(path):
            raise UserErrorException("there is no {} in the source directory {}".format(script, self.source_directory))
        return os.path.relpath(path, self.source_directory).replace(os.sep, "/"), words

    def __repr__(self) -> str:
        return "ScriptRunConfig(source_directory={!r}, script={!r}, arguments={!r})".format(
            self.source_directory, self.script, self.arguments
        )


def get_run_config_from_script_run(script_run_config: ScriptRunConfig) -> RunConfiguration:
    return script_run_config.run_config


def _target_name(target: Any) -> str:
    """Of a target, its name, or Azure's name for a cluster that a run makes for itself."""
    name = getattr(target, "name", target) or "local"
    if str(name).lower() == "amlcompute":
        say('target {!r}: the portal makes no cluster for one run; it runs on its own machine, "local"'.format(name))
        name = "local"
    return str(name)


def _argument(word: Any, inputs: List[Dict[str, Any]], workspace: Any) -> str:
    if hasattr(word, "_as_run_input"):
        return "DatasetConsumptionConfig:{}".format(_input(word, inputs, workspace, None))
    if isinstance(word, (list, tuple, dict)):
        raise UserErrorException("an argument is a text or a number, not {!r}".format(word))
    return str(word)


def _input(value: Any, inputs: List[Dict[str, Any]], workspace: Any, name: Optional[str]) -> str:
    if not hasattr(value, "_as_run_input"):
        raise NotSupportedError(
            "{} as data of a run is not supported here: use dataset.as_named_input(name).as_mount()".format(
                type(value).__name__
            )
        )
    entry = value._as_run_input(workspace, name)
    if entry not in inputs:
        if any(other["name"] == entry["name"] for other in inputs):
            raise UserErrorException("two inputs are named {!r}".format(entry["name"]))
        inputs.append(entry)
    return str(entry["name"])
