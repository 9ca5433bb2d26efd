"""The portal's JSON API: `Client` for all of it, `client.workspace(name)` for one workspace's part.

    ws = Client("http://host:8000", token).workspace("default")
    snapshot = ws.snapshot(".")
    for event, data in ws.follow(run["id"], log="user_logs/std_log.txt"): …

Paths are relative to /api/v1/ (of a workspace: to /api/v1/workspaces/<name>/). Every method raises PortalError.
"""

import json
import uuid
from typing import Any, Dict, Iterable, Iterator, Optional, Union
from urllib.parse import parse_qsl, quote, urlsplit

from mlportal_sdk import blobs, config
from mlportal_sdk.errors import NoPortal, NotConfigured, PortalError
from mlportal_sdk.http import Answer, Body, Http

__all__ = ["Client", "PortalError", "Scope", "join"]

ROOT = "/api/v1/"


class _Verbs:
    """The methods of HTTP below a prefix. Names begin with _, for everything else is a query parameter."""

    def __init__(self, http: Http, prefix: str = "") -> None:
        self.http, self.prefix = http, prefix

    @property
    def url(self) -> str:
        """The portal's address."""
        return self.http.url

    @property
    def server_version(self) -> str:
        """As the last answer told it; "" before the first, or where the portal does not tell."""
        return self.http.server_version

    def get(self, _path: str, **query: Any) -> Any:
        return _decoded(self, self.raw("GET", _path, query=query, whole=True))

    def post(self, _path: str, _body: Any = None, **query: Any) -> Any:
        """Repeated safely: its Idempotency-Key makes the portal do it once."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        body = _json({} if _body is None else _body)
        return _decoded(
            self, self.raw("POST", _path, query=query, body=body, headers=headers, repeatable=True, whole=True)
        )

    def patch(self, _path: str, _body: Any) -> Any:
        return _decoded(self, self.raw("PATCH", _path, body=_json(_body), whole=True))

    def put(self, _path: str, _body: Any) -> Any:
        return _decoded(self, self.raw("PUT", _path, body=_json(_body), whole=True))

    def delete(self, _path: str, **query: Any) -> Any:
        return _decoded(self, self.raw("DELETE", _path, query=query, whole=True))

    def pages(self, _path: str, **query: Any) -> Iterator[Any]:
        """Every item of a list, fetched page by page as it is gone through."""
        asked = {"page_size": 200, **query}
        while True:
            page = self.get(_path, **asked)
            if isinstance(page, list):
                yield from page
                return
            yield from page["results"]
            if not page.get("next"):
                return
            # Only its parameters: a portal behind a proxy may believe that its address is another one.
            for name, value in parse_qsl(urlsplit(page["next"]).query):
                if name == "cursor":
                    asked["cursor"] = value

    def raw(
        self,
        method: str,
        path: str,
        query: Optional[Dict[str, Any]] = None,
        body: Optional[Union[bytes, Body]] = None,
        headers: Optional[Dict[str, str]] = None,
        **options: Any,
    ) -> Answer:
        """The answer as it is; options are those of `Http.request`. A path with a slash begins at the portal's root."""
        if isinstance(body, bytes):
            headers = {"Content-Type": "application/json", **(headers or {})}
        path = path if path.startswith("/") else ROOT + self.prefix + path
        return self.http.request(method, path, query=query, body=body, headers=headers, **options)

    def download(
        self,
        _path: str,
        _target: str,
        *,
        size: Optional[int] = None,
        sha256: Optional[str] = None,
        progress: Optional[blobs.Progress] = None,
        **query: Any,
    ) -> str:
        """A file's bytes to `_target`; see `downloads.download`."""
        from mlportal_sdk.downloads import download

        return download(self, _path, _target, size=size, sha256=sha256, progress=progress, query=query)


class Client(_Verbs):
    """One portal. Safe to share between threads and across fork; each thread keeps connections of its own."""

    def __init__(self, url: str, token: Optional[str] = None, timeout: float = 30.0) -> None:
        super().__init__(Http(url, token, timeout))

    @classmethod
    def from_environment(cls, timeout: float = 30.0) -> "Client":
        """The portal of this process: the run's in a run, else MLPORTAL_URL, config.json, the last `mlportal login`."""
        return cls.for_portal(config.of_environment().portal_url, timeout)

    @classmethod
    def for_portal(cls, url: str, timeout: float = 30.0) -> "Client":
        """The portal at an address, with the token that this machine has for it. Raises NotConfigured without one."""
        token = config.token_for(url)
        if not token:
            raise NotConfigured(
                "There is no token for the portal at {0}. Run `mlportal login {0}`, or set MLPORTAL_TOKEN; a token is "
                "made at {0}/account/tokens/.".format(config.normal_url(url))
            )
        return cls(url, token, timeout)

    def workspace(self, name: str) -> "Scope":
        return Scope(self, name)


class Scope(_Verbs):
    """One workspace of a portal."""

    def __init__(self, client: Client, name: str) -> None:
        super().__init__(client.http, join("workspaces", name))
        self.client, self.name = client, name

    def upload(self, files: Iterable[Any], missing: Iterable[str], progress: Optional[blobs.Progress] = None) -> None:
        """Send those of the files, (path, sha256, size, opener), whose digest is in `missing`."""
        blobs.upload(self, files, missing, progress)

    def name_files(
        self, _path: str, body: Dict[str, Any], files: Iterable[Any], progress: Optional[blobs.Progress] = None
    ) -> Any:
        """POST a body that names files by digest; what the portal lacks of `files` is sent, and the body once more."""
        return blobs.name_files(self, _path, body, files, progress)

    def snapshot(self, directory: str, progress: Optional[blobs.Progress] = None) -> Dict[str, Any]:
        """A folder as a snapshot; see `snapshots.take`."""
        from mlportal_sdk.snapshots import take

        return take(self, directory, progress)

    def follow(self, run: str, log: str = "", offset: int = 0, **options: Any) -> Iterator[Any]:
        """(event, data) of a run until its "end"; see `stream.follow`."""
        from mlportal_sdk.stream import follow

        return follow(self, run, log=log, offset=offset, **options)


def join(*parts: Any) -> str:
    """A path of these segments, each quoted: join("models", "my model") is "models/my%20model/"."""
    return "".join("{}/".format(quote(str(part), safe="")) for part in parts)


def _json(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _decoded(verbs: _Verbs, answer: Answer) -> Any:
    if not answer.content.strip():
        return None
    try:
        return json.loads(answer.content.decode("utf-8"))
    except ValueError:
        raise NoPortal(
            "What answers at {} is no mlportal portal: it sent no JSON. Check the address.".format(verbs.url),
            answer.status,
        ) from None
