"""Files become the next version of a model."""

import os
from typing import Any, Dict, List, Optional, Tuple

from azureml.exceptions import ModelPathNotFoundException, UserErrorException


def register_from_run(run: Any, name: str, path: str, wish: Dict[str, Any]) -> Any:
    """A Model of a file or folder that the run left; in the run itself, of what it has uploaded or written so far."""
    from mlportal_sdk.errors import BadInput, NotFound

    from azureml.core.model import Model

    if hasattr(run, "_local"):
        _send_own(run, path)
    body = {"run": run.id, "path": path, "name": name, **_body(run._experiment.workspace, wish)}
    try:
        found = run._scope.post("models/", body)
    except (BadInput, NotFound) as error:
        if error.details.get("field", "path") != "path":
            raise UserErrorException(error.message) from None
        names = ", ".join(run.get_file_names()) or "none"
        raise ModelPathNotFoundException(
            "Could not locate the provided model_path {} in the set of files uploaded to the run: {}\n{}".format(
                path, names, error.message
            )
        ) from None
    return _with_sample(Model._of_json(run._experiment.workspace, found), wish)


def register_from_folder(workspace: Any, name: str, path: str, child_paths: Any, wish: Dict[str, Any]) -> Any:
    """A Model of a file or folder of this machine."""
    from mlportal_sdk.blobs import entries_of, of_file
    from mlportal_sdk.errors import BadInput

    from azureml.core.model import Model

    files = _files(path)
    if child_paths:
        wanted = tuple(str(child).replace("\\", "/").strip("/") for child in child_paths)
        files = [
            (entry, file)
            for entry, file in files
            if any(
                entry.partition("/")[2] == child or entry.partition("/")[2].startswith(child + "/") for child in wanted
            )
        ]
        if not files:
            raise ModelPathNotFoundException("none of the child_paths is below {}".format(path))
    sources = [of_file(file, entry) for entry, file in files]
    body = {"name": name, "entries": entries_of(sources), **_body(workspace, wish)}
    try:
        found = workspace._scope.name_files("models/", body, sources)
    except BadInput as error:
        raise UserErrorException(error.message) from error
    return _with_sample(Model._of_json(workspace, found), wish)


def _with_sample(model: Any, wish: Dict[str, Any]) -> Any:
    from azureml._samples import send_sample

    inputs, outputs = wish.get("samples") or (None, None)
    if inputs is not None or outputs is not None:
        send_sample(model, inputs, outputs)
    return model


def _files(path: str) -> List[Tuple[str, str]]:
    """(name in the model, path) of a file, or of every regular file of a folder, which keeps the folder's name."""
    base = os.path.basename(os.path.abspath(path))
    if os.path.isfile(path):
        return [(base, path)]
    if not os.path.isdir(path):
        raise ModelPathNotFoundException("there is no file or folder {}".format(os.path.abspath(path)))
    found = []
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(folder for folder in folders if folder != "__pycache__")
        for name in sorted(names):
            file = os.path.join(parent, name)
            if os.path.isfile(file):
                found.append(("/".join([base] + os.path.relpath(file, path).split(os.sep)), file))
    if not found:
        raise ModelPathNotFoundException("there is no file in {}".format(os.path.abspath(path)))
    return found


def _send_own(run: Any, path: str) -> None:
    """A script registers what it has just written: the worker would bring it to the portal only at the end."""
    from azureml._remote import HttpUploads

    found = run._local(path)
    if found is None:
        raise ModelPathNotFoundException(
            "Could not locate the provided model_path {} in the set of files uploaded to the run: {}".format(
                path, ", ".join(run.get_file_names()) or "none"
            )
        )
    inner = [(path, found)]
    if os.path.isdir(found):
        inner = [("/".join([path.rstrip("/")] + entry.split("/")[1:]), file) for entry, file in _files(found)]
    HttpUploads(run._scope, run.id).send(inner)


def _body(workspace: Any, wish: Dict[str, Any]) -> Dict[str, Any]:
    """What `POST models/` takes beside the files; what is None is the portal's to choose."""
    body: Dict[str, Any] = {
        "tags": texts(wish.get("tags")),
        "properties": texts(wish.get("properties")),
        "description": wish.get("description") or "",
    }
    if wish.get("datasets"):
        names = ["{}: {}".format(usage, getattr(one, "id", one)) for usage, one in wish["datasets"]]
        body["properties"]["datasets"] = ", ".join(names)
    if wish.get("framework"):
        body["framework"] = str(wish["framework"])
    if wish.get("framework_version"):
        body["framework_version"] = str(wish["framework_version"])
    resources = wish.get("resources")
    if resources is not None:
        body["cpu"], body["memory_gb"] = resources.cpu, resources.memory_in_gb
    if wish.get("environment") is not None:
        body["environment"] = wish["environment"]._reference(workspace).as_body()
    return body


def texts(pairs: Optional[Dict[str, Any]]) -> Dict[str, str]:
    if not isinstance(pairs or {}, dict):
        raise UserErrorException("tags and properties are a dict of names and values, not {!r}".format(pairs))
    return {str(key): "" if value is None else str(value) for key, value in (pairs or {}).items()}
