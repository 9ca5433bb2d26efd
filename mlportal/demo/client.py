"""The portal's JSON API with nothing but the standard library: what any program could do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

SECONDS = 60
# The portal is on this machine, whatever proxy the machine uses for others.
_opener = build_opener(ProxyHandler({}))


class Refused(Exception):
    """The portal answered with an error; the text is its message."""


class Client:
    """One workspace of one portal. Paths are relative to `/api/v1/workspaces/<workspace>/`."""

    def __init__(self, url: str, token: str, workspace: str = "default") -> None:
        self.url = url
        self.token = token
        self.base = f"{url}/api/v1/workspaces/{workspace}"

    def get(self, path: str) -> Any:
        return self._json(Request(f"{self.base}/{path}"))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._json(_with_json(f"{self.base}/{path}", body or {}))

    def upload(self, files: Mapping[str, bytes]) -> Any:
        """{path: bytes} as a snapshot."""
        body, content_type = _form(files)
        return self._json(Request(f"{self.base}/snapshots/", data=body, headers={"Content-Type": content_type}))

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """(name, data) of a stream of server-sent events, until it ends."""
        name, data = "", ""
        with self._open(Request(f"{self.base}/{path}")) as stream:
            for raw in stream:
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data += value
                elif not field and name:
                    yield name, json.loads(data)
                    name, data = "", ""

    def _json(self, request: Request) -> Any:
        """None for an answer without a body."""
        with self._open(request) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def _open(self, request: Request) -> IO[bytes]:
        request.add_header("Authorization", f"Bearer {self.token}")
        return send(request)


def score(url: str, key: str, body: Mapping[str, Any]) -> Any:
    """What a deployed service answers."""
    request = _with_json(url, body)
    request.add_header("Authorization", f"Bearer {key}")
    with send(request) as answer:
        return json.load(answer)


def send(request: Request) -> IO[bytes]:
    """The answer as a stream; Refused with the portal's own message."""
    try:
        answer: IO[bytes] = _opener.open(request, timeout=SECONDS)
    except HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            text = json.loads(text)["error"]["message"]
        except (ValueError, KeyError, TypeError):
            text = text[:500]
        raise Refused(f"{error.code} from {request.selector}: {text}") from None
    return answer


def _with_json(url: str, body: Mapping[str, Any]) -> Request:
    return Request(url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def _form(files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """multipart/form-data with the parts `paths` and `files`, in the same order."""
    boundary = uuid.uuid4().hex
    parts = []
    for path, content in files.items():
        head = 'Content-Disposition: form-data; name="{}"'
        parts += [f"--{boundary}\r\n{head.format('paths')}\r\n\r\n{path}\r\n".encode()]
        parts += [f'--{boundary}\r\n{head.format("files")}; filename="file"\r\n\r\n'.encode() + content + b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
