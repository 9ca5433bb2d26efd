"""register, deploy, predict."""

import json
import os
import sys
import time
from typing import Any, List

from mlportal_sdk import blobs, errors
from mlportal_sdk.cli import status
from mlportal_sdk.cli.context import find_run, pairs, split_version, workspace_of
from mlportal_sdk.cli.hints import fetch
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.cli.terminal import BOLD, DIM, GREEN, RED, Terminal
from mlportal_sdk.client import Scope, join
from mlportal_sdk.snapshots import walk

FRAMEWORKS = "ScikitLearn Custom Onnx TensorFlow TfKeras PyTorch Multi".split()
LOOK_SECONDS = 0.5
FILE_SECONDS = 600.0
HEALTHY_SECONDS = 900.0  # a model's environment may have to be built first


def add(commands: Any, common: Any) -> None:
    parser = commands.add_parser("register", parents=[common], help="a model, from a run or from files of this machine")
    option = parser.add_argument
    option("path", metavar="PATH", help="a file or folder: of the run with --run, else of this machine")
    option("--name", required=True, help="of the model; one that exists gets its next version")
    option("--run", metavar="RUN", help="the run that made it (its id, EXPERIMENT/NUMBER, or last)")
    option("--env", metavar="NAME[:VERSION]", help="the environment that it needs (that of the run)")
    option("--framework", choices=FRAMEWORKS, default="ScikitLearn")
    option("--framework-version", metavar="VERSION", default="", help="the scikit-learn that made it")
    option("--description", metavar="TEXT", default="")
    option("--tag", metavar="KEY=VALUE", action="append", default=[], help="again for more")
    option("--sample", metavar="FILE", help="some rows that it was trained on: CSV or Parquet of this machine")
    option("--target", metavar="COLUMN", default="", help="the column of the sample that is predicted")
    parser.set_defaults(handle=register)

    parser = commands.add_parser("deploy", parents=[common], help="make a service of a model")
    parser.add_argument("model", metavar="MODEL[:VERSION]", help="without a version: the latest")
    parser.add_argument("--name", default="", help="of the service (one is proposed)")
    parser.add_argument("--update", action="store_true", help="have the service of that name answer with this version")
    parser.add_argument("--no-auth", action="store_true", help="callers need no key")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it answers")
    parser.set_defaults(handle=deploy)

    parser = commands.add_parser("predict", parents=[common], help="ask a service")
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument(
        "data", metavar="DATA", help="JSON such as [[5.1, 3.5, 1.4, 0.2]], @FILE (JSON or CSV), or - for stdin"
    )
    parser.add_argument("--method", help="of the model, such as predict_proba")
    parser.add_argument(
        "--csv", action="store_true", help="answer with the CSV's own columns and the predictions beside them"
    )
    parser.set_defaults(handle=predict)


def register(asked: Any, terminal: Terminal) -> int:
    body = {
        "name": asked.name,
        "framework": asked.framework,
        "framework_version": asked.framework_version,
        "description": asked.description,
        "tags": pairs(asked.tag, "--tag"),
    }
    sample = _content(asked.sample) if asked.sample else b""
    workspace = workspace_of(asked)
    if asked.env:
        name, number = split_version(asked.env, "An environment")
        fetch(workspace, "environment", join("environments", name), name, "environments/")
        body["environment"] = {"name": name, "version": number}
    if asked.run:
        run = find_run(workspace, asked.run)
        version = workspace.post("models/", {**body, "run": run["id"], "path": asked.path})
    else:
        files = _local_files(asked.path)
        wish = {**body, "entries": blobs.entries_of(files)}
        version = workspace.name_files("models/", wish, files, terminal.bar("Uploading"))
    if asked.sample:
        path = join("models", version["name"], "versions", version["version"]) + "sample/"
        query = {"target": asked.target, "source": os.path.basename(asked.sample)}
        headers = {"Content-Type": "application/octet-stream"}
        workspace.raw("PUT", path, query, body=sample, headers=headers, whole=True)
    terminal.say(workspace.url + version["page"])
    terminal.result(version, "{}:{}".format(version["name"], version["version"]))
    return status.OK


def _local_files(path: str) -> List[blobs.Source]:
    if os.path.isfile(path):
        return [blobs.of_file(path)]
    if not os.path.isdir(path):
        raise Usage("There is no file or folder {} here. (For one of a run, give --run.)".format(path))
    root = os.path.basename(os.path.abspath(path))
    return [blobs.of_file(file, "{}/{}".format(root, name)) for name, (file, _) in walk(path)]


def deploy(asked: Any, terminal: Terminal) -> int:
    name, number = split_version(asked.model, "A model")
    if asked.update and not asked.name:
        raise Usage("--update needs the --name of the service")
    workspace = workspace_of(asked)
    model = fetch(workspace, "model", join("models", name), name, "models/")
    number = number or model["last_version"]
    if asked.update:
        path = join("deployments", asked.name)
        fetch(workspace, "service", path, asked.name, "deployments/")
        service = workspace.post(path + "redeploy/", {"model": name, "version": number})
    else:
        wish = {"model": name, "version": number, "name": asked.name, "auth_enabled": not asked.no_auth}
        service = workspace.post("deployments/", wish)
    terminal.say("{}: {}{}".format(service["name"], workspace.url, service["page"]), BOLD)
    if not asked.no_wait:
        service = wait_until_healthy(workspace, service, "{}:{}".format(name, number), terminal)
    address = workspace.url + service["scoring_path"]
    terminal.result({**service, "scoring_uri": address}, address)
    return status.FAILED if service["status"] == "Failed" else status.OK


def wait_until_healthy(workspace: Scope, service: Any, version: str, terminal: Terminal) -> Any:
    path, deadline, told = join("deployments", service["name"]), time.monotonic() + HEALTHY_SECONDS, ""
    while True:
        service = workspace.get(path)
        if service["status_label"] != told:
            told = service["status_label"]
            terminal.say(told, GREEN if service["status"] == "Healthy" else DIM)
        if service["status"] == "Healthy" and service.get("live_version") in (None, version):
            return service
        if service["status"] in ("Failed", "Stopped"):
            log = workspace.get(path + "log/")
            terminal.say(str(log["text"])[-4000:].rstrip(), DIM)
            terminal.say("The service does not answer: {}".format(log["failure"] or service["status_label"]), RED)
            return service
        if time.monotonic() > deadline:
            raise errors.Unavailable(
                "{} is not healthy after {:.0f} s; it goes on trying.".format(path, HEALTHY_SECONDS)
            )
        time.sleep(LOOK_SECONDS)


def predict(asked: Any, terminal: Terminal) -> int:
    if asked.csv:
        return _predict_file(asked, terminal)
    body, content_type = _request(asked.data, asked.method)
    workspace = workspace_of(asked)
    path = join("deployments", asked.service)
    fetch(workspace, "service", path, asked.service, "deployments/")
    headers = {"Content-Type": content_type}
    answer = workspace.raw("POST", path + "score/", body=body, headers=headers, repeatable=True, whole=True)
    terminal.write(answer.content.decode("utf-8", "replace").rstrip("\n") + "\n")
    return status.OK


def _predict_file(asked: Any, terminal: Terminal) -> int:
    if not asked.data.startswith("@") and asked.data != "-":
        raise Usage("--csv goes with @FILE, or with - for stdin")
    content = sys.stdin.buffer.read() if asked.data in ("-", "@-") else _content(asked.data[1:])
    workspace = workspace_of(asked)
    path = join("deployments", asked.service)
    fetch(workspace, "service", path, asked.service, "deployments/")
    answer = workspace.raw(
        "POST",
        path + "score-file/",
        {"method": asked.method or ""},
        body=content,
        headers={"Content-Type": "text/csv"},
        repeatable=True,
        timeout=FILE_SECONDS,
        whole=True,
    )
    terminal.write(answer.content.decode("utf-8", "replace").replace("\r\n", "\n"))
    return status.OK


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Usage("{}: {}".format(path, error.strerror)) from None


def _request(data: str, method: Any) -> Any:
    """(body, content type)."""
    data = "-" if data == "@-" else data
    if data == "-":
        content = sys.stdin.buffer.read()
    elif data.startswith("@"):
        with open(data[1:], "rb") as file:
            content = file.read()
    else:
        content = data.encode("utf-8")
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except ValueError as error:
        if data != "-" and not data.lower().endswith(".csv"):
            raise Usage("The data is no JSON: {}".format(error)) from None
        if method:
            raise Usage("--method goes with JSON, not with CSV") from None
        return content, "text/csv"
    if isinstance(value, list):
        rows = value if value and isinstance(value[0], (list, dict)) else [value]
        value = {"data": rows}
    if method:
        if not isinstance(value, dict):
            raise Usage("--method goes with rows of data")
        value["method"] = method
    return json.dumps(value).encode("ascii"), "application/json"
