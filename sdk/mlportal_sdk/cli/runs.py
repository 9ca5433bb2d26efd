"""runs, logs, metrics, download, cancel, open."""

import os
import sys
from datetime import datetime
from typing import Any, List

from mlportal_sdk import errors
from mlportal_sdk.cli import following, status
from mlportal_sdk.cli.context import find_run, split_version, workspace_of
from mlportal_sdk.cli.following import FINAL, STDOUT
from mlportal_sdk.cli.hints import fetch, names, near, not_found
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.cli.terminal import Terminal, number, size
from mlportal_sdk.client import Scope, join

STATUSES = "NotStarted Preparing Queued Running Finalizing Completed Failed Canceled".split()
RUN = "a run: its id or the beginning of it, EXPERIMENT/NUMBER, or last"


def add(commands: Any, common: Any) -> None:
    parser = commands.add_parser("runs", parents=[common], help="list runs, newest first")
    parser.add_argument("--experiment", metavar="NAME")
    parser.add_argument("--status", choices=STATUSES, action="append", help="again for more")
    parser.add_argument("--mine", action="store_true", help="only your own")
    parser.add_argument("-n", "--limit", type=int, default=20, metavar="N", help="how many (20)")
    parser.set_defaults(handle=list_runs)

    parser = commands.add_parser("logs", parents=[common], help="a run's log")
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument("-f", "--follow", action="store_true", help="to its end; exits with the script's status")
    parser.add_argument("--name", default=STDOUT, help="another log than the script's output")
    parser.add_argument("--list", action="store_true", help="only the names and sizes of its logs")
    parser.set_defaults(handle=show_log)

    parser = commands.add_parser("metrics", parents=[common], help="a run's metrics")
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.set_defaults(handle=show_metrics)

    parser = commands.add_parser("download", parents=[common], help="files of a run or of a model")
    parser.add_argument("run", metavar="RUN", nargs="?", help=RUN)
    parser.add_argument("paths", metavar="PATH", nargs="*", help="files or folders of it (all)")
    parser.add_argument("--model", metavar="NAME[:VERSION]", help="of a model instead")
    parser.add_argument("-o", "--output", metavar="DIR", default=".", help="where to (here)")
    parser.set_defaults(handle=download)

    parser = commands.add_parser("cancel", parents=[common], help="ask for a run's end")
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.set_defaults(handle=cancel)

    parser = commands.add_parser("open", parents=[common], help="print the address of a page")
    parser.add_argument("run", metavar="RUN", nargs="?", help=RUN + " (the workspace)")
    parser.add_argument("--model", metavar="NAME", help="of a model instead")
    parser.add_argument("--service", metavar="NAME", help="of a service instead")
    parser.set_defaults(handle=show_address)


def list_runs(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    query = {"experiment": asked.experiment, "status": asked.status, "page_size": max(1, min(asked.limit, 500))}
    if asked.mine:
        query["created_by"] = workspace.client.get("me/")["username"]
    found: List[Any] = []
    for run in workspace.pages("runs/", **query):
        if len(found) >= asked.limit:
            break
        found.append(run)
    if not found and asked.experiment:
        known = names(workspace, "experiments/")
        if asked.experiment not in known:
            raise not_found("experiment", asked.experiment, workspace, known)
    rows = [
        (
            "{}/{}".format(run["experiment"], run["number"]),
            run["status"],
            when(run["created_at"]),
            _duration(run),
            run["script"],
            "  ".join("{}={}".format(name, number(value)) for name, value in list(run["metrics"].items())[:3]),
        )
        for run in found
    ]
    if found or terminal.as_json:
        terminal.table(("RUN", "STATUS", "SUBMITTED", "TOOK", "SCRIPT", "METRICS"), rows, found)
    else:
        terminal.say("No runs.")
    return status.OK


def show_log(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    run = find_run(workspace, asked.run)
    if asked.list:
        logs = workspace.get(join("runs", run["id"], "logs"))
        terminal.table(("LOG", "SIZE"), [(log["name"], size(log["size"])) for log in logs], logs)
        return status.OK
    if asked.follow and run["status"] not in FINAL:
        return following.follow(workspace, run, terminal, log=asked.name)
    _copy_log(workspace, run, asked.name, terminal)
    return status.of_run(run) if asked.follow else status.OK


def _copy_log(workspace: Scope, run: Any, name: str, terminal: Terminal) -> None:
    """The bytes as they are: what the script wrote need not be text."""
    path, offset = join("runs", run["id"], "logs", "content"), 0
    while True:
        try:
            answer = workspace.raw("GET", path, query={"name": name, "offset": offset}, whole=True)
        except errors.NotFound:
            logs = [log["name"] for log in workspace.get(join("runs", run["id"], "logs"))]
            if name == STDOUT:
                return  # it has not printed anything yet
            raise errors.NotFound("The run has no log {}.{}".format(name, near(name, logs)), 404) from None
        if terminal.as_json:
            if answer.content:
                terminal.result({"name": name, "offset": offset, "text": answer.content.decode("utf-8", "replace")})
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(answer.content)
            sys.stdout.buffer.flush()
        following_offset = int(answer.headers.get("X-Next-Offset") or offset)
        if following_offset == offset:
            return
        offset = following_offset


def show_metrics(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    run = find_run(workspace, asked.run)
    metrics = workspace.get(join("runs", run["id"], "metrics"))
    if not metrics and not terminal.as_json:
        terminal.say("The run has logged no numbers.")
        return status.OK
    columns = ("last", "least", "most", "mean", "count")
    rows = [[metric["name"]] + [number(metric[column]) for column in columns] for metric in metrics]
    terminal.table(("METRIC", "LAST", "MIN", "MAX", "MEAN", "COUNT"), rows, metrics)
    return status.OK


def download(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    if asked.model:
        wanted = ([asked.run] if asked.run else []) + asked.paths
        content, files = _model_files(workspace, asked.model)
    elif asked.run:
        wanted = asked.paths
        run = find_run(workspace, asked.run)
        content = join("runs", run["id"], "artifacts", "content")
        files = list(workspace.pages(join("runs", run["id"], "artifacts")))
    else:
        raise Usage("Of what? Give a run, or --model NAME[:VERSION].")
    chosen = [one for one in files if not wanted or any(_is_in(one["path"], path) for path in wanted)]
    for path in wanted:
        if not any(_is_in(one["path"], path) for one in chosen):
            hint = near(path, [one["path"] for one in files])
            raise errors.NotFound("There is no file or folder {}.{}".format(path, hint), 404)
    root = os.path.realpath(asked.output)
    for one in chosen:
        target = os.path.join(root, *one["path"].split("/"))
        if os.path.commonpath([root, os.path.realpath(target)]) != root:  # names come from the run, links from here
            raise errors.BadInput("{} would be written outside of {}".format(one["path"], root))
        bar = terminal.bar(one["path"])
        workspace.download(content, target, size=one["size"], sha256=one["sha256"], progress=bar, path=one["path"])
        terminal.result({**one, "file": target}, target)
    if not chosen:
        terminal.say("There are no files.")
    return status.OK


def _model_files(workspace: Scope, word: str) -> Any:
    name, version = split_version(word, "A model")
    model = fetch(workspace, "model", join("models", name), name, "models/")
    path = join("models", name, "versions", version or model["last_version"])
    return path + "files/content/", workspace.get(path)["files"]


def cancel(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    run = find_run(workspace, asked.run)
    if run["status"] in FINAL:
        terminal.say("The run is {} already.".format(run["status_label"].lower()))
    else:
        run = following.cancel(workspace, run["id"], terminal)
    terminal.result(run)
    return status.OK


def show_address(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    if asked.model:
        found = fetch(workspace, "model", join("models", asked.model), asked.model, "models/")
    elif asked.service:
        found = fetch(workspace, "service", join("deployments", asked.service), asked.service, "deployments/")
    elif asked.run:
        found = find_run(workspace, asked.run)
    else:
        found = workspace.get("")
    address = workspace.url + found["page"]
    terminal.result({"page": address}, address)
    return status.OK


def _is_in(path: str, wanted: str) -> bool:
    wanted = wanted.strip("/")
    return path == wanted or path.startswith(wanted + "/")


def _moment(text: str) -> datetime:
    """Of ISO 8601, as Python 3.6 cannot read it by itself; UTC, without a zone."""
    return datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")


def when(text: str) -> str:
    return "{:%Y-%m-%d %H:%M}".format(_moment(text))


def _duration(run: Any) -> str:
    if not run["started_at"]:
        return ""
    end = _moment(run["ended_at"]) if run["ended_at"] else datetime.utcnow()
    seconds = max(0, int((end - _moment(run["started_at"])).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return "{}:{:02}:{:02}".format(hours, minutes, seconds) if hours else "{}:{:02}".format(minutes, seconds)
