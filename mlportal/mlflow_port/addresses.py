"""Addresses of files as MLflow writes them, and what of the portal they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from mlportal.texts import storable

_LOGGED: Final = re.compile(r"(?:models:/|.*/models/)(m-[0-9a-f]{32})(?:/artifacts)?/?")
_RUN: Final = re.compile(r"runs:/([0-9a-f]{32})/(.+?)/?")
_BELOW_RUN: Final = re.compile(r".*/([0-9a-f]{32})/artifacts/(.+?)/?")
_VERSION: Final = re.compile(r"models:/([^/@]+)/([1-9][0-9]{0,8})/?")


@dataclass(frozen=True)
class LoggedModelPlace:
    uid: str


@dataclass(frozen=True)
class RunPlace:
    uid: str
    path: str


@dataclass(frozen=True)
class VersionPlace:
    name: str
    number: int


def place_of(uri: str) -> LoggedModelPlace | RunPlace | VersionPlace | None:
    """What the address means wherever the store is; None for what is neither a model's nor below a run."""
    if storable(uri) != uri:
        return None
    if uri.startswith("file:"):
        uri = unquote(uri)
    if found := _VERSION.fullmatch(uri):
        return VersionPlace(found[1], int(found[2]))
    if found := _LOGGED.fullmatch(uri):
        return LoggedModelPlace(found[1])
    if found := _RUN.fullmatch(uri) or _BELOW_RUN.fullmatch(uri):
        return RunPlace(found[1], found[2])
    return None


def local_path(uri: str) -> str:
    """Of a file: address or a plain absolute path of this machine; "" for others."""
    if uri.startswith("/"):
        return "" if "\0" in uri else uri
    try:
        split = urlsplit(uri)
    except ValueError:
        return ""
    path = unquote(split.path)
    return path if split.scheme == "file" and split.netloc in ("", "localhost") and "\0" not in path else ""


def is_own_folder(uri: str, parts: tuple[str, ...]) -> bool:
    """Whether the address is that of this folder, perhaps before it was copied here."""
    end = [part for part in parts if part != ".trash"]
    path = local_path(uri)
    return bool(path) and path.rstrip("/").split("/")[-len(end) :] == end
