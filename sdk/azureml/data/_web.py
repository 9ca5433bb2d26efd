"""Files of the web, fetched by the client: their bytes become the dataset's, and the portal fetches nothing."""

import os
import re
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from azureml.exceptions import UserErrorException

MOST_BYTES = 2_000_000_000
SECONDS_OF_SILENCE = 60
MOST_SECONDS = 3600
CHUNK = 1024 * 1024


def is_url(text: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UserErrorException(
            "{!r} cannot be fetched: an address begins with https:// or http://. What is elsewhere can be downloaded, "
            "and put into the data store with datastore.upload_files".format(shown(url))
        )


def file_name(url: str, with_folders: bool = False) -> str:
    """What a file is called in the dataset; with its host and folders where there are two of a name."""
    parts = urlsplit(url)
    words = [re.sub(r"[^\w.()=+ -]", "_", unquote(word)).strip() for word in parts.path.split("/")]
    words = [word for word in words if word not in ("", ".", "..")] or ["data"]
    return "/".join([re.sub(r"[^\w.-]", "_", parts.hostname or "web")] + words) if with_folders else words[-1]


def shown(url: str) -> str:
    """Without what is often a secret: the query and the user."""
    parts = urlsplit(url)
    return "{}://{}{}".format(parts.scheme, parts.netloc.rpartition("@")[2], parts.path)


def fetch(url: str, target: str) -> None:
    """The bytes of an address as a file, whole or not at all. UserErrorException says why not."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        with _open(url) as answer:
            check(answer.geturl())  # where it was sent on to
            length = answer.headers.get("Content-Length", "")
            _write(url, answer, int(length) if length.isdigit() else None, target)
    except HTTPError as error:
        raise UserErrorException("{} answers {} {}".format(shown(url), error.code, error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise UserErrorException("{} cannot be fetched: {}".format(shown(url), error)) from error


def _open(url: str) -> Any:
    from urllib.request import Request, urlopen

    from mlportal_sdk import __version__

    headers = {"User-Agent": "mlportal-sdk/{}".format(__version__), "Accept-Encoding": "identity"}
    return urlopen(Request(url, headers=headers), timeout=SECONDS_OF_SILENCE)


def _write(url: str, answer: Any, length: Any, target: str) -> None:
    if length is not None and length > MOST_BYTES:
        raise _too_large(url)
    deadline, count = time.monotonic() + MOST_SECONDS, 0
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target + ".part", "wb") as file:
        while True:
            piece = answer.read(CHUNK)
            if not piece:
                break
            count += len(piece)
            if count > MOST_BYTES:
                raise _too_large(url)
            if time.monotonic() > deadline:
                raise UserErrorException("{} takes longer than {} s".format(shown(url), MOST_SECONDS))
            file.write(piece)
    if length is not None and count != length:
        raise UserErrorException("{} broke off after {} of {} bytes; try again".format(shown(url), count, length))
    os.replace(target + ".part", target)


def _too_large(url: str) -> UserErrorException:
    return UserErrorException(
        "{} has more than {} bytes: download it, and put it into the data store with datastore.upload_files".format(
            shown(url), MOST_BYTES
        )
    )
