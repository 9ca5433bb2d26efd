"""run: upload a folder, submit a script of it, and watch."""

import json
import os
import re
from typing import Any, Optional

from mlportal_sdk import errors
from mlportal_sdk.cli import status
from mlportal_sdk.cli.context import pairs, split_version, workspace_of
from mlportal_sdk.cli.following import follow
from mlportal_sdk.cli.hints import fetch, near, not_found, of_refusal
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.cli.terminal import BOLD, Terminal, size
from mlportal_sdk.client import Scope, join

YAML = (".yml", ".yaml")
USUAL_FILES = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml", "env.yml", "env.yaml")
DAY = re.compile(r"\d{4}-\d\d-\d\d")


def add(commands: Any, common: Any) -> None:
    parser = commands.add_parser(
        "run",
        parents=[common],
        help="submit a script and watch it",
        usage="mlportal run [OPTIONS] SCRIPT [-- ARGUMENT ...]",
        description="Upload the folder, submit the script, show its log, and exit with its status.",
    )
    option = parser.add_argument
    option("script", metavar="SCRIPT", help="a Python file, such as train.py")
    option("--env", metavar="ENV", help="a conda YAML, a requirements.txt, or an environment's NAME[:VERSION]")
    option("--source", metavar="DIR", default=".", help="the folder to upload (the working directory)")
    option("--experiment", metavar="NAME", help="the experiment (the folder's name)")
    option("--target", metavar="NAME", default="local", help="the compute target (local)")
    option("--as-of", metavar="DATE", help="packages as they were on that day, YYYY-MM-DD")
    option("--name", metavar="TEXT", default="", help="a name for the run")
    option("--tag", metavar="KEY[=VALUE]", action="append", default=[], help="again for more")
    option(
        "--variable", metavar="KEY=VALUE", action="append", default=[], help="an environment variable; again for more"
    )
    option("--input", metavar="NAME=DATASET[:VERSION]", action="append", default=[], help="a dataset; again for more")
    option("--wall", metavar="SECONDS", type=int, help="end it after so long")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--follow", dest="detach", action="store_false", default=False, help="watch it to its end (the default)"
    )
    either.add_argument("--detach", action="store_true", help="only submit it")
    parser.set_defaults(handle=run, script_arguments=[])


def run(asked: Any, terminal: Terminal) -> int:
    source, script = _script(asked.source, asked.script)
    if asked.as_of and not DAY.fullmatch(asked.as_of):
        raise Usage("--as-of takes a day as YYYY-MM-DD, not {!r}".format(asked.as_of))
    tags, variables = pairs(asked.tag, "--tag", bare=True), pairs(asked.variable, "--variable")
    experiment = asked.experiment or _name_of(source)
    environment = asked.env or _usual_environment(source)
    workspace = workspace_of(asked)
    reference = _environment(workspace, environment, experiment, asked.as_of)
    inputs = [_input(workspace, name, word or "") for name, word in pairs(asked.input, "--input").items()]
    snapshot = workspace.snapshot(source, terminal.bar("Uploading"))
    terminal.say(
        "{} files, {}{}".format(
            snapshot["file_count"],
            size(snapshot["size"]),
            "; {} left out by ignore files".format(len(snapshot["ignored"])) if snapshot["ignored"] else "",
        )
    )
    body = {
        "experiment": experiment,
        "snapshot": snapshot["uid"],
        "environment": reference,
        "script": script,
        "arguments": asked.script_arguments,
        "target": asked.target,
        "name": asked.name,
        "tags": tags,
        "environment_variables": variables,
        **({"wall_seconds": asked.wall} if asked.wall else {}),
        **({"inputs": inputs} if inputs else {}),
    }
    try:
        submitted = workspace.post("runs/", body)
    except errors.BadInput as error:
        hint = of_refusal(error, workspace, {"target": asked.target, "environment": environment})
        raise type(error)(error.message + hint, error.status, error.code, error.details) from None
    address = workspace.url + submitted["page"]
    terminal.say("Run {} of {}: {}".format(submitted["number"], experiment, address), BOLD)
    if asked.detach:
        terminal.result(submitted, submitted["id"])
        return status.OK
    terminal.result({"event": "submitted", "run": submitted})
    return follow(workspace, submitted, terminal, own=True)


def _script(source: str, script: str) -> "tuple[str, str]":
    """(folder to upload, name of the script in it). The script is looked for in the folder, then from here."""
    folder = os.path.abspath(source)
    if not os.path.isdir(folder):
        raise Usage("There is no folder {}".format(source))
    path = os.path.join(folder, script)
    if not os.path.isfile(path):
        path = os.path.abspath(script)
    if not os.path.isfile(path):
        known = [name for name in os.listdir(folder) if name.endswith(".py")]
        raise Usage("There is no file {} in {}.{}".format(script, folder, near(script, known)))
    name = os.path.relpath(path, folder).replace(os.sep, "/")
    if name.startswith("../"):
        raise Usage("{} is not in the folder that is uploaded, {}; choose it by --source.".format(script, folder))
    return folder, name


def _usual_environment(source: str) -> str:
    for name in USUAL_FILES:
        if os.path.isfile(os.path.join(source, name)):
            return os.path.join(source, name)
    raise Usage(
        "Which environment? Give --env: a conda YAML, a requirements.txt, or the name of an environment of the portal. "
        "(A file {} in the folder would be taken without asking.)".format(USUAL_FILES[0])
    )


def _environment(workspace: Scope, word: str, experiment: str, as_of: Optional[str]) -> Any:
    """{"name", "version"}; a file becomes a version of the environment that it names, else of the experiment's."""
    if os.path.isfile(word) or word.lower().endswith(YAML) or os.sep in word:
        definition = read_definition(word)
        named = re.search(r"^name:\s*[\"']?([A-Za-z0-9][\w.-]*)[\"']?\s*(#.*)?$", definition, re.MULTILINE)
        name = named.group(1) if named else experiment
        made = workspace.post("environments/", {"name": name, "definition": definition, "as_of": as_of})
        return {"name": made["name"], "version": made["version"]}
    if as_of:
        raise Usage("--as-of needs a file as --env: {} is resolved already.".format(word))
    name, version = split_version(word, "An environment")
    fetch(workspace, "environment", join("environments", name), name, "environments/")
    return {"name": name, "version": version}


def read_definition(path: str) -> str:
    """The text of a conda YAML; of a requirements.txt, as the YAML that pip reads it in."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8-sig")
    except OSError as error:
        folder = os.path.dirname(path) or "."
        known = [name for name in os.listdir(folder) if name.endswith(YAML)] if os.path.isdir(folder) else []
        hint = near(os.path.basename(path), known)
        raise Usage("{} cannot be read: {}.{}".format(path, error.strerror, hint)) from None
    except ValueError:
        raise Usage("{} is no text in UTF-8.".format(path)) from None
    if not path.lower().endswith(".txt"):
        return text
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    items = "".join("      - {}\n".format(json.dumps(line)) for line in lines)
    return "dependencies:\n  - pip\n  - pip:\n{}".format(items) if items else "dependencies:\n  - pip\n"


def _input(workspace: Scope, name: str, word: str) -> Any:
    dataset, version = split_version(word, "A dataset")
    try:
        path = join("datasets", dataset, "versions", version) if version else join("datasets", dataset)
        found = workspace.get(path)
    except errors.NotFound:
        known = [item["name"] for item in workspace.pages("datasets/")]
        raise not_found("dataset", word, workspace, known) from None
    latest = found.get("latest") or found
    return {"name": name, "dataset": latest["uid"], "mode": "mount"}


def _name_of(source: str) -> str:
    """A folder's name as an experiment's."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", os.path.basename(source)).strip("-_")
    return name if len(name) > 1 else "experiment"
