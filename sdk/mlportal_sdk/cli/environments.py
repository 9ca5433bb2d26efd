"""env check, env list."""

from typing import Any

from mlportal_sdk.cli import status
from mlportal_sdk.cli.context import workspace_of
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.cli.submit import DAY, read_definition
from mlportal_sdk.cli.terminal import BOLD, GREEN, RED, YELLOW, Terminal, paint


def add(commands: Any, common: Any) -> None:
    parser = commands.add_parser("env", parents=[common], help="environments")
    below = parser.add_subparsers(dest="subcommand", metavar="check|list")
    parser.set_defaults(handle=lambda asked, terminal: _help(parser))
    check = below.add_parser("check", parents=[common], help="what would happen with a conda YAML; nothing is built")
    check.add_argument("file", metavar="FILE", help="a conda YAML or a requirements.txt")
    check.add_argument("--as-of", metavar="DATE", help="packages as they were on that day, YYYY-MM-DD")
    check.set_defaults(handle=check_file)
    lister = below.add_parser("list", parents=[common], help="the environments of the workspace")
    lister.set_defaults(handle=list_all)


def check_file(asked: Any, terminal: Terminal) -> int:
    """0 when it can be built, 1 when something in it is wrong."""
    import sys

    if asked.as_of and not DAY.fullmatch(asked.as_of):
        raise Usage("--as-of takes a day as YYYY-MM-DD, not {!r}".format(asked.as_of))
    definition = read_definition(asked.file)
    checked = workspace_of(asked).post("environments/check/", {"definition": definition, "as_of": asked.as_of})
    if terminal.as_json:
        terminal.result(checked)
        return status.FAILED if checked["errors"] else status.OK
    spec, interpreter = checked["spec"], checked["interpreter"]
    lines = []
    if spec:
        found = "runs on {} ({})".format(interpreter["version"], interpreter["source"]) if interpreter else "not here"
        lines.append("{}  asked for {}, {}".format(paint("Python", BOLD, sys.stdout), spec["python"] or "any", found))
        lines.append(paint("Packages", BOLD, sys.stdout) + ("" if spec["requirements"] else "  none"))
        lines += ["  " + requirement for requirement in spec["requirements"]]
        if spec["provided"]:
            lines.append("{}  {}".format(paint("By the portal", BOLD, sys.stdout), ", ".join(spec["provided"])))
        if spec["as_of"]:
            lines.append("{}  {}".format(paint("As of", BOLD, sys.stdout), spec["as_of"]))
    for kind, colour in (("notes", YELLOW), ("errors", RED)):
        for note in checked[kind]:
            text = note["text"] if kind == "notes" else note["message"]
            where = "{}:{}: ".format(asked.file, note["line"]) if note["line"] else ""
            lines.append(paint(where + text, colour, sys.stdout))
    if not checked["errors"]:
        fine = "Nothing in it is wrong. Whether these packages go together is found when it is built."
        lines.append(paint(fine, GREEN, sys.stdout))
    terminal.write("\n".join(lines) + "\n")
    return status.FAILED if checked["errors"] else status.OK


def list_all(asked: Any, terminal: Terminal) -> int:
    found = list(workspace_of(asked).pages("environments/"))
    rows = [(one["name"], one["last_version"], "curated" if one["curated"] else "") for one in found]
    terminal.table(("ENVIRONMENT", "VERSION", ""), rows, found)
    return status.OK


def _help(parser: Any) -> int:
    parser.print_help()
    return status.OK
