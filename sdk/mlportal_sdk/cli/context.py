"""The workspace that a command is about, and things in it by what people call them."""

import re
from typing import Any

from mlportal_sdk import config, errors
from mlportal_sdk.cli.hints import near
from mlportal_sdk.cli.status import Usage
from mlportal_sdk.client import Client, Scope, join

UID = re.compile(r"[0-9a-f]{32}")
RECENT = 500  # runs among which a beginning of an id is looked for


def workspace_of(asked: Any) -> Scope:
    url, name = getattr(asked, "portal", None), getattr(asked, "workspace", None)
    if url:
        url = config.normal_url(url)
        if not name:
            try:
                here = config.of_environment()
                name = here.workspace if here.portal_url == url else "default"
            except errors.NotConfigured:
                name = "default"
    else:
        here = config.of_environment()
        url, name = here.portal_url, name or here.workspace
    return Client.for_portal(url).workspace(name)


def find_run(workspace: Scope, word: str) -> Any:
    """A run by its id, by the beginning of it, by `experiment/number`, or `last`: the newest of all."""
    if UID.fullmatch(word):
        try:
            return workspace.get(join("runs", word))
        except errors.NotFound:
            raise errors.NotFound("There is no run {} in the workspace {}.".format(word, workspace.name), 404) from None
    recent = _recent(workspace, word)
    if word == "last" and recent:
        return workspace.get(join("runs", recent[0]["id"]))
    experiment, slash, number = word.rpartition("/")
    found = [
        run
        for run in recent
        if (slash and run["experiment"] == experiment and str(run["number"]) == number)
        or (len(word) >= 4 and run["id"].startswith(word))
    ]
    if len(found) > 1:
        raise errors.NotFound("{} runs begin with {}; write more of the id.".format(len(found), word), 404)
    if not found:
        known = ["{}/{}".format(run["experiment"], run["number"]) for run in recent]
        hint = near(word, known) if recent else " There is none yet."
        hint = "" if hint.startswith(" There are") else hint
        raise errors.NotFound("There is no run {} in the workspace {}.{}".format(word, workspace.name, hint), 404)
    return workspace.get(join("runs", found[0]["id"]))


def _recent(workspace: Scope, word: str) -> "list[Any]":
    experiment, slash, _ = word.rpartition("/")
    query = {"experiment": experiment} if slash else {}
    return list(workspace.get("runs/", page_size=RECENT, **query)["results"])


def split_version(word: str, what: str) -> "tuple[str, int | None]":
    """`name` or `name:version`."""
    name, colon, version = word.rpartition(":")
    if not colon:
        return word, None
    if not version.isdigit():
        raise Usage("{} is {} or {}:VERSION, not {}".format(what, name, name, word))
    return name, int(version)


def pairs(words: "list[str]", option: str, bare: bool = False) -> "dict[str, str | None]":
    """KEY=VALUE words as a dict; with `bare` a KEY alone is None."""
    found: "dict[str, str | None]" = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not (equals or bare):
            raise Usage("{} takes KEY=VALUE, not {!r}".format(option, word))
        found[key] = value if equals else None
    return found
