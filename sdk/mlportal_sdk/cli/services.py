"""scale, candidate, rollback: what becomes of a service once it is deployed."""

from typing import Any, Dict

from mlportal_sdk.cli import status
from mlportal_sdk.cli.context import split_version, workspace_of
from mlportal_sdk.cli.hints import fetch
from mlportal_sdk.cli.registry import wait_until_healthy
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.cli.terminal import Terminal, plain
from mlportal_sdk.client import Scope, join


def add(commands: Any, common: Any) -> None:
    parser = commands.add_parser("scale", parents=[common], help="how many replicas a service has")
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--replicas", type=int, metavar="N", help="a fixed number")
    parser.add_argument("--min", type=int, metavar="N", help="the least, when the load chooses")
    parser.add_argument("--max", type=int, metavar="N", help="the most")
    parser.add_argument("--utilization", type=int, metavar="PERCENT", help="of a replica, above which another starts")
    parser.set_defaults(handle=scale)

    parser = commands.add_parser(
        "candidate",
        parents=[common],
        help="a second version of a service, beside the first",
        description="Give a second version a share of the requests, copies of the others, or both; say what it has.",
    )
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("model", metavar="MODEL[:VERSION]", nargs="?", help="left out: the one that is there")
    parser.add_argument("--percent", type=int, metavar="N", help="of the requests, which it answers")
    parser.add_argument("--mirror", type=int, metavar="N", help="percent of the others, of which it gets a copy")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--promote", action="store_true", help="have it answer every request")
    end.add_argument("--remove", action="store_true", help="take it back")
    parser.add_argument("--no-wait", action="store_true", help="with --promote: do not wait until it answers")
    parser.set_defaults(handle=candidate)

    parser = commands.add_parser("rollback", parents=[common], help="have the version before this one answer again")
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it answers")
    parser.set_defaults(handle=roll_back)


def scale(asked: Any, terminal: Terminal) -> int:
    given = {
        "replicas": asked.replicas,
        "min_replicas": asked.min,
        "max_replicas": asked.max,
        "autoscale_target_utilization": asked.utilization,
    }
    wish = {name: value for name, value in given.items() if value is not None}
    if asked.replicas is not None and len(wish) > 1:
        raise Usage("--replicas is a fixed number; --min, --max and --utilization are for one that the load chooses")
    workspace = workspace_of(asked)
    service = _service(workspace, asked.service)
    if wish:
        service = workspace.patch(join("deployments", asked.service), {"scaling": wish})
    terminal.result(service, _replicas(service))
    return status.OK


def candidate(asked: Any, terminal: Terminal) -> int:
    wish: Dict[str, Any] = {}
    for name in ("percent", "mirror"):
        if getattr(asked, name) is not None:
            wish[name] = getattr(asked, name)
    if (asked.promote or asked.remove) and (wish or asked.model):
        raise Usage("--promote and --remove are of the one that is there; give nothing beside them")
    workspace = workspace_of(asked)
    path, service = join("deployments", asked.service), _service(workspace, asked.service)
    if asked.remove:
        workspace.delete(path + "candidate/")
        service = workspace.get(path)
    elif asked.promote:
        service = workspace.post(path + "candidate/promote/")
        if not asked.no_wait:
            service = wait_until_healthy(workspace, service, service["version"], terminal)
    elif wish or asked.model:
        service = workspace.put(path + "candidate/", {**wish, **_version(workspace, asked.model)})
    terminal.result(service, _shares(service))
    return status.FAILED if asked.promote and service["status"] == "Failed" else status.OK


def roll_back(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    _service(workspace, asked.service)
    service = workspace.post(join("deployments", asked.service) + "roll-back/")
    if not asked.no_wait:
        service = wait_until_healthy(workspace, service, service["version"], terminal)
    terminal.result(service, _shares(service))
    return status.FAILED if service["status"] == "Failed" else status.OK


def _service(workspace: Scope, name: str) -> Any:
    return fetch(workspace, "service", join("deployments", name), name, "deployments/")


def _version(workspace: Scope, word: Any) -> Dict[str, Any]:
    if not word:
        return {}
    name, number = split_version(word, "A model")
    model = fetch(workspace, "model", join("models", name), name, "models/")
    return {"model": name, "version": number or model["last_version"]}


def _replicas(service: Any) -> str:
    """`iris: 2 replicas`, `iris: 1 to 4 replicas by load, 1 now`."""
    scaling = service["scaling"]
    least, most = scaling["min_replicas"], scaling["max_replicas"]
    if least == most:
        return "{}: {} {}".format(service["name"], least, "replica" if least == 1 else "replicas")
    return "{}: {} to {} replicas by load, {} now".format(service["name"], least, most, scaling["desired_replicas"])


def _shares(service: Any) -> str:
    """`iris: iris:1 90 %, iris:2 10 % and copies of 100 % of the others`."""
    second, percent = service["candidate"], 0
    text = ""
    if second:
        percent = second["percent"]
        text = ", {} {} %".format(second["version"], percent)
        if second["mirror"]:
            text += " and copies of {} % of the others".format(second["mirror"])
    return plain("{}: {} {} %{}".format(service["name"], service["version"], 100 - percent, text))
