"""Files of a run to this machine."""

import os
from typing import Any, Dict, List, Optional

from mlportal_sdk.uploads import artifact_name

from azureml.exceptions import UserErrorException


def download_file(run: Any, name: str, output_file_path: Optional[str]) -> None:
    """UserErrorException with what there is where the run has no such file."""
    target = output_file_path or os.path.basename(name)
    if os.path.isdir(target) or target.endswith(("/", os.sep)):
        target = os.path.join(target, os.path.basename(name))
    _fetch(run, _artifacts(run), name, target)


def download_files(
    run: Any,
    prefix: Optional[str],
    output_directory: Optional[str],
    output_paths: Optional[List[str]],
    append_prefix: bool,
) -> None:
    known = _artifacts(run)
    start = (prefix or "").rstrip("/")
    names = [name for name in run.get_file_names() if not start or name == start or name.startswith(start + "/")]
    if not names and start:  # Azure takes the beginning of a name as well
        names = [name for name in run.get_file_names() if name.startswith(start)]
    if output_paths is not None and len(output_paths) != len(names):
        raise UserErrorException("{} output paths for {} files".format(len(output_paths), len(names)))
    for index, name in enumerate(names):
        safe = artifact_name(name)  # names come out of the run: they may not lead out of the folder
        if not append_prefix and start and safe.startswith(start + "/"):
            safe = safe[len(start) + 1 :]
        below = output_paths[index] if output_paths is not None else safe
        _fetch(run, known, name, os.path.join(output_directory or ".", below))


def download_logs(run: Any, destination: Optional[str]) -> List[str]:
    folder = destination or run.id
    paths = []
    for row in run._scope.get(run._path + "logs/"):
        path = os.path.join(folder, *artifact_name(row["name"]).split("/"))
        _fetch(run, {}, row["name"], path)
        paths.append(path)
    return paths


def _artifacts(run: Any) -> Dict[str, Dict[str, Any]]:
    return {row["path"]: row for row in run._scope.pages(run._path + "artifacts/")}


def _fetch(run: Any, artifacts: Dict[str, Dict[str, Any]], name: str, target: str) -> None:
    from mlportal_sdk.errors import NotFound

    found = artifacts.get(name)
    if found:
        path = run._path + "artifacts/content/"
        run._scope.download(path, target, size=found["size"], sha256=found["sha256"], path=name)
        return
    try:
        run._scope.download(run._path + "logs/content/", target, name=name, download=True)
    except NotFound:
        raise UserErrorException(
            "File with path {} was not found,\navailable files include: {}.".format(
                name, ", ".join(run.get_file_names()) or "none"
            )
        ) from None
