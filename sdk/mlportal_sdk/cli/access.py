"""login, logout."""

import sys
from typing import Any
from urllib.parse import urlsplit

from mlportal_sdk import config, errors
from mlportal_sdk.cli import status
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.cli.terminal import GREEN, YELLOW, Terminal
from mlportal_sdk.client import Client

NEAR = ("localhost", "127.0.0.1", "::1")


def add(commands: Any, common: Any) -> None:
    login = commands.add_parser(
        "login", parents=[common], help="keep a token for a portal", description="Ask for a token, try it, and keep it."
    )
    login.add_argument("url", nargs="?", metavar="URL", help="the portal's address (asked for when left out)")
    login.add_argument("--token-stdin", action="store_true", help="read the token from stdin instead of asking")
    login.set_defaults(handle=log_in)
    logout = commands.add_parser("logout", parents=[common], help="forget the token of a portal")
    logout.add_argument("url", nargs="?", metavar="URL", help="the portal's address (left out: the current one)")
    logout.add_argument("--all", action="store_true", help="of all portals")
    logout.set_defaults(handle=log_out)


def log_in(asked: Any, terminal: Terminal) -> int:
    url = config.normal_url(asked.url or getattr(asked, "portal", None) or _ask_address(asked))
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in NEAR:
        terminal.say("The token will travel to {} unencrypted: use https where you can.".format(url), YELLOW)
    if asked.token_stdin:
        token = sys.stdin.readline().strip()
    elif sys.stdin.isatty():
        from getpass import getpass

        terminal.say("A token is made at {}/account/tokens/".format(url))
        token = getpass("Token (not shown): ").strip()
    else:
        raise Usage("There is no terminal to ask for the token; give it on stdin with --token-stdin.")
    if not token:
        raise errors.NotConfigured("No token was given.")
    try:
        person = Client(url, token).get("me/")
    except errors.NotAuthenticated as error:
        message = "The token is unknown, expired or revoked; a new one is made at {}/account/tokens/.".format(url)
        raise errors.NotAuthenticated(message, error.status, error.code) from None
    path = config.keep_token(url, token, person["username"])
    terminal.say("Logged in to {} as {}. The token is kept in {}".format(url, person["username"], path), GREEN)
    if config.token_for(url) != token:
        terminal.say("MLPORTAL_TOKEN is set, and is used instead of it.", YELLOW)
    terminal.result({"portal": url, "user": person["username"], "credentials": path})
    return status.OK


def log_out(asked: Any, terminal: Terminal) -> int:
    url = asked.url or getattr(asked, "portal", None)
    if not asked.all and not url:
        url = config.credentials()["current"]
        if not url:
            terminal.say("No token is kept.")
            return status.OK
    gone = config.forget_token(None if asked.all else url)
    if gone:
        terminal.say("The token of {} is forgotten here; it is revoked on the Tokens page.".format(", ".join(gone)))
    else:
        terminal.say("No token is kept{}.".format(" for {}".format(url) if url else ""))
    terminal.result({"forgotten": gone})
    return status.OK


def _ask_address(asked: Any) -> str:
    try:
        proposal = config.of_environment().portal_url
    except errors.NotConfigured:
        proposal = "http://127.0.0.1:8000"
    if asked.token_stdin or not sys.stdin.isatty():
        return proposal
    sys.stderr.write("Address of the portal [{}]: ".format(proposal))
    sys.stderr.flush()
    return sys.stdin.readline().strip() or proposal
