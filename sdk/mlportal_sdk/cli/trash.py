"""trash list, put, restore, delete."""

import sys
from typing import Any, Dict, List

from mlportal_sdk import errors
from mlportal_sdk.cli import status
from mlportal_sdk.cli.context import UID, find_run, workspace_of
from mlportal_sdk.cli.hints import near
from mlportal_sdk.cli.runs import RUN, when
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.cli.terminal import BOLD, YELLOW, Terminal, plain, size
from mlportal_sdk.client import Scope

LISTED = 10  # names that are said before something is deleted for good


def add(commands: Any, common: Any) -> None:
    parser = commands.add_parser("trash", parents=[common], help="what is deleted: list it, bring it back, or end it")
    below = parser.add_subparsers(dest="subcommand", metavar="list|put|restore|delete")
    parser.set_defaults(handle=lambda asked, terminal: _help(parser))

    lister = below.add_parser("list", parents=[common], help="what is in the trash, and when it goes for good")
    lister.set_defaults(handle=list_all)

    put = below.add_parser("put", parents=[common], help="move runs to the trash, with their children")
    put.add_argument("runs", metavar="RUN", nargs="+", help=RUN)
    put.set_defaults(handle=throw_away)

    restore = below.add_parser("restore", parents=[common], help="bring runs or experiments back")
    _things(restore)
    restore.set_defaults(handle=bring_back)

    delete = below.add_parser("delete", parents=[common], help="delete for good what is in the trash")
    _things(delete)
    delete.add_argument("--all", action="store_true", help="all that is in the trash")
    delete.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    delete.set_defaults(handle=delete_for_good)


def _things(parser: Any) -> None:
    parser.add_argument(
        "runs", metavar="RUN", nargs="*", help="of the trash: its id or its beginning, EXPERIMENT/NUMBER"
    )
    parser.add_argument(
        "--experiment", metavar="NAME", action="append", default=[], help="with all of its runs; again for more"
    )


def list_all(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    experiments, runs = workspace.get("trash/experiments/"), list(workspace.pages("trash/"))
    rows = [
        (_and("--experiment " + one["name"], one["runs"], "run"), _by(one), when(one["deleted_at"]), _goes(one), "")
        for one in experiments
    ]
    rows += [
        (
            _and(_name(run), run["children"], "child"),
            _by(run),
            when(run["deleted_at"]),
            _goes(run),
            size(run["freed_bytes"]),
        )
        for run in runs
    ]
    if rows or terminal.as_json:
        terminal.table(("RUN", "DELETED BY", "AT", "GOES FOR GOOD", "FREES"), rows, experiments + runs)
    else:
        terminal.say("The trash is empty.")
    return status.OK


def throw_away(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    uids = [find_run(workspace, word)["id"] for word in asked.runs]
    moved = workspace.post("trash/", {"runs": uids})
    terminal.result(moved, "In the trash: {}. mlportal trash restore {}".format(_runs(moved["runs"]), " ".join(uids)))
    return status.OK


def bring_back(asked: Any, terminal: Terminal) -> int:
    workspace = workspace_of(asked)
    came = workspace.post("trash/restore/", _named(workspace, asked))
    terminal.result(came, "Back: {}.".format(_runs(came["runs"])))
    return status.OK


def delete_for_good(asked: Any, terminal: Terminal) -> int:
    """Says what goes, and asks, unless --yes says that nobody wants to be asked."""
    if asked.all and (asked.runs or asked.experiment):
        raise Usage("--all is all of it; name nothing beside it")
    workspace = workspace_of(asked)
    wish: Dict[str, Any] = {"everything": True} if asked.all else _named(workspace, asked)
    plan = workspace.post("trash/purges/", {**wish, "dry_run": True})
    nothing = not plan["runs"] and not plan["experiments"]
    if asked.all and nothing and not plan["staying"]:
        terminal.say("The trash is empty.")
        return status.OK
    _tell(plan, terminal)
    if asked.dry_run:
        terminal.result(plan)
        return status.OK
    if not (asked.yes or nothing or _agreed()):
        terminal.say("Nothing is deleted.")
        return status.INTERRUPTED
    purge = workspace.post("trash/purges/", wish)
    freed = "{} freed".format(size(purge["freed_bytes"]))
    if not purge["ended_at"] or purge["later_bytes"]:
        freed += ", the rest later"
    terminal.result(purge, "Deleted for good: {}; {}.".format(_runs(purge["runs"]), freed))
    return status.OK


def _tell(plan: Any, terminal: Terminal) -> None:
    if plan["runs"] or plan["experiments"]:
        goes = "For good: {}, {}".format(_runs(plan["runs"]), size(plan["freed_bytes"]))
        terminal.say("{}{}".format(goes, _names("; experiments ", plan["experiments"])), BOLD)
    if plan["models"]:
        terminal.say("Models keep their files{}".format(_names(": ", plan["models"])))
    for one in plan["staying"][:LISTED]:
        terminal.say(plain(one["why"]), YELLOW)


def _agreed() -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Usage("There is no terminal to ask on; --yes deletes without asking, --dry-run says what would go.")
    sys.stderr.write("This cannot be undone. Delete for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _named(workspace: Scope, asked: Any) -> Dict[str, Any]:
    """What the portal is told, of the words that people use."""
    if not asked.runs and not asked.experiment:
        raise Usage("Of what? Name runs, or --experiment NAME; `mlportal trash list` has them.")
    listed: List[Any] = []
    if not all(UID.fullmatch(word) for word in asked.runs):
        listed = list(workspace.pages("trash/"))
    runs = [word if UID.fullmatch(word) else _find(workspace, word, listed) for word in asked.runs]
    return {"runs": runs, "experiments": asked.experiment}


def _find(workspace: Scope, word: str, listed: "List[Any]") -> str:
    found = [run["id"] for run in listed if word == _name(run) or (len(word) >= 4 and run["id"].startswith(word))]
    if len(found) > 1:
        raise errors.NotFound("{} runs begin with {}; write more of the id.".format(len(found), word), 404)
    if not found:
        hint = near(word, map(_name, listed)) if listed else " It is empty."
        message = "There is no run {} in the trash of the workspace {}.{}"
        raise errors.NotFound(message.format(word, workspace.name, hint), 404)
    return str(found[0])


def _name(run: Any) -> str:
    return "{}/{}".format(run["experiment"], run["number"])


def _and(name: str, count: int, what: str) -> str:
    """`iris/3 + 2 children`."""
    more = {"child": "children", "run": "runs"}
    return "{} + {} {}".format(name, count, what if count == 1 else more[what]) if count else name


def _by(one: Any) -> str:
    return str(one["deleted_by"] or one.get("deleted_why") or "")


def _goes(one: Any) -> str:
    return when(one["purge_at"]) if one["purge_at"] else "never by itself"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else "{} runs".format(count)


def _names(before: str, names: "List[str]") -> str:
    """Some of them, after a text; nothing where there are none."""
    more = ", and {} more".format(len(names) - LISTED) if len(names) > LISTED else ""
    return before + ", ".join(map(plain, names[:LISTED])) + more if names else ""


def _help(parser: Any) -> int:
    parser.print_help()
    return status.OK
