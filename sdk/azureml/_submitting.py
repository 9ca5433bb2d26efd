"""From a ScriptRunConfig to a run of the portal, and runs that this process executes itself."""

import os
import subprocess
from typing import Any, Dict, Optional

from azureml._said import say
from azureml.core.script_run_config import ScriptRunConfig
from azureml.exceptions import NotSupportedError, UserErrorException


def submit(
    experiment: Any, config: Any, tags: Optional[Dict[str, str]], display_name: Optional[str], parent: Any = None
) -> Any:
    """The new Run. Raises UserErrorException for what cannot be meant so, `mlportal_sdk.errors` for the portal's no."""
    from mlportal_sdk.errors import BadInput

    from azureml.core.run import Run

    if not isinstance(config, ScriptRunConfig):
        raise NotSupportedError(
            "a {} cannot be submitted here: use azureml.core.ScriptRunConfig".format(type(config).__name__)
        )
    scope = experiment.workspace._scope
    body = config._submission(experiment.workspace)
    body["snapshot"] = snapshot(scope, config.source_directory)["uid"]
    body["experiment"] = experiment.name
    body["tags"] = {str(key): "" if value is None else str(value) for key, value in (tags or {}).items()}
    if display_name:
        body["name"] = display_name
    if parent is not None:
        body["parent"] = parent
    try:
        made = scope.post("runs/", body)
    except BadInput as error:
        raise UserErrorException(error.message) from error
    _note_repository(scope, made["id"], config.source_directory)
    return Run(experiment, made["id"], _data=made)


def start(experiment: Any, display_name: Optional[str], directory: Optional[str], outputs: Any) -> Any:
    """A run that is executed by this process; the portal only records it.

    `outputs` is the folder whose files are kept when it ends: None for ./outputs, which is made, False for none.
    """
    from azureml.core.run import Run

    scope = experiment.workspace._scope
    body: Dict[str, Any] = {"experiment": experiment.name, "name": display_name or ""}
    if directory is not None and _is_small(directory):
        body["properties"] = {"ContentSnapshotId": snapshot(scope, os.path.abspath(directory))["uid"]}
    made = scope.post("runs/start/", body)
    if directory is not None:
        _note_repository(scope, made["id"], directory)
    folder = None if outputs is False else os.path.abspath(outputs or "outputs")
    if folder is not None:
        os.makedirs(folder, exist_ok=True)
    return Run(experiment, made["id"], outputs=folder, _data=made)


def snapshot(scope: Any, directory: str) -> Dict[str, Any]:
    from mlportal_sdk.errors import BadInput

    if os.path.isfile(directory):  # Azure takes a file for its folder
        directory = os.path.dirname(os.path.abspath(directory))
    try:
        return scope.snapshot(directory)  # type: ignore[no-any-return]
    except BadInput as error:
        raise UserErrorException("the folder {} was not taken: {}".format(directory, error.message)) from error


def _is_small(directory: str) -> bool:
    """Whether a notebook's folder is a project: a home folder is not copied because somebody logs a number."""
    from mlportal_sdk.snapshots import walk

    count = size = 0
    for _, (_, bytes_) in walk(directory):
        count, size = count + 1, size + bytes_
        if count > 2000 or size > 100 * 1024 * 1024:
            say(
                "{} has more than 2000 files or 100 MB: it is not kept with the run (snapshot_directory names another "
                "folder, or None)".format(os.path.abspath(directory))
            )
            return False
    return count > 0


def _note_repository(scope: Any, run_id: str, directory: str) -> None:
    """Azure's azureml.git.* properties, where the folder is in a git repository."""
    folder = os.path.abspath(directory)
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above
    found = {
        "azureml.git.repository_uri": _git(folder, "remote", "get-url", "origin"),
        "azureml.git.branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"),
        "azureml.git.commit": _git(folder, "rev-parse", "HEAD"),
    }
    found["mlflow.source.git.repoURL"] = found["azureml.git.repository_uri"]
    found["mlflow.source.git.branch"] = found["azureml.git.branch"]
    found["mlflow.source.git.commit"] = found["azureml.git.commit"]
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    found["azureml.git.dirty"] = None if changed is None else str(bool(changed))
    properties = {name: value for name, value in found.items() if value}
    if properties:
        scope.post("runs/{}/properties/".format(run_id), {"properties": properties})


def _git(folder: str, *arguments: str) -> Optional[str]:
    try:
        done = subprocess.run(
            ("git", "-C", folder) + arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode:
        return None
    text = done.stdout.decode("utf-8", "replace").strip()
    return _without_password(text)


def _without_password(address: str) -> str:
    """`https://user:secret@host/…` of a repository is nobody else's to read."""
    scheme, separator, rest = address.partition("://")
    user, at, place = rest.partition("@")
    return "{}://{}".format(scheme, place) if separator and at and "/" not in user else address
