"""The parser of the whole command, and what becomes of errors."""

import argparse
import os
import re
import sys
from typing import Any, List, NoReturn, Optional

from mlportal_sdk import __version__, errors
from mlportal_sdk.cli import access, completion, environments, registry, runs, services, status, submit, trash
from mlportal_sdk.cli.hints import near
from mlportal_sdk.cli.terminal import Terminal, prepare_streams

GROUPS = (access, submit, runs, trash, registry, services, environments, completion)


class Parser(argparse.ArgumentParser):
    """Says what may be meant in place of a word that it does not know."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        hint = ""
        choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        unknown = re.search(r"unrecognized arguments: (-\S+)", message)
        if choice:
            known = re.findall(r"[\w-]+", choice.group(2))
            message = message[: choice.start()] + "there is no {!r}.".format(choice.group(1))
            hint = near(choice.group(1), known) or " There are: {}.".format(", ".join(known))
        elif unknown:
            hint = near(unknown.group(1).partition("=")[0], self.all_options(), cutoff=0.75)
        self.print_usage(sys.stderr)
        self.exit(status.USAGE, "mlportal: {}{}\n".format(message, hint))

    def all_options(self) -> "set[str]":
        """Of this parser and of the commands below it."""
        found: "set[str]" = set()
        for action in self._actions:
            found.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    found |= below.all_options()
        return found


def make_parser() -> Parser:
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("everywhere")
    hide = argparse.SUPPRESS  # a default of the command would replace what was said before it
    group.add_argument("--portal", metavar="URL", default=hide, help="the portal's address")
    group.add_argument(
        "-w", "--workspace", metavar="NAME", default=hide, help="the workspace (config.json's, or default)"
    )
    group.add_argument("--json", action="store_true", default=hide, help="results as JSON, one object a line")
    group.add_argument("-q", "--quiet", action="store_true", default=hide, help="only results and errors")
    parser = Parser(
        prog="mlportal",
        description="Train, track, register and serve models on an mlportal.",
        parents=[common],
        epilog="The portal is --portal, else MLPORTAL_URL, config.json above here, or the last login.",
    )
    parser.add_argument("--version", action="version", version="mlportal-sdk " + __version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for module in GROUPS:
        module.add(commands, common)
    return parser


def run_command(arguments: Optional[List[str]] = None) -> int:
    prepare_streams()
    words = sys.argv[1:] if arguments is None else arguments
    words, script_words = _split(list(words))
    parser = make_parser()
    asked, unknown = parser.parse_known_args(words)
    if unknown:
        behind = " (The script's own come after --.)" if asked.command == "run" else ""
        parser.error("unrecognized arguments: {}{}".format(" ".join(unknown), behind))
    terminal = Terminal(getattr(asked, "json", False), getattr(asked, "quiet", False))
    if script_words is not None:
        if not hasattr(asked, "script_arguments"):
            parser.error("only `mlportal run` takes arguments after --")
        asked.script_arguments = script_words
    if not hasattr(asked, "handle"):
        parser.print_help()
        return status.OK
    asked.parser = parser
    try:
        return asked.handle(asked, terminal)  # type: ignore[no-any-return]
    except status.Usage as error:
        terminal.error(str(error))
        return status.USAGE
    except errors.PortalError as error:
        return fail(terminal, error)
    except BrokenPipeError:
        # `mlportal logs … | head`: what Python still wants to flush at its end goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status.PIPE_CLOSED
    except KeyboardInterrupt:
        terminal.say("")
        return status.INTERRUPTED
    except OSError as error:
        terminal.error(str(error))
        return status.FAILED


def fail(terminal: Terminal, error: errors.PortalError) -> int:
    code = status.of_error(error)
    if terminal.as_json:
        shape = {"code": error.code or type(error).__name__, "message": error.message, "details": error.details}
        sys.stderr.write(_json({"error": shape, "status": error.status, "exit": code}) + "\n")
    else:
        terminal.error(error.message)
    return code


def _json(data: Any) -> str:
    import json

    return json.dumps(data, default=str)


def _split(words: List[str]) -> "tuple[List[str], Optional[List[str]]]":
    """What stands before the first --, and what stands behind it: the script's, which argparse must not touch."""
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]
