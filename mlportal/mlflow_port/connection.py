"""HTTP to an MLflow server: one connection that is kept, JSON in and out, files as streams.

A redirect is not followed, so that the key goes to the address that was given and nowhere else.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final
from urllib.parse import quote, urlencode, urlsplit

from mlportal.mlflow_port.items import PortError, Unreadable
from mlportal.mlflow_port.values import text

Json = dict[str, Any]
TIMEOUT_SECONDS: Final = 120
MAX_JSON: Final = 256 << 20
TRIES: Final = 4
CHUNK: Final = 1 << 20
LATER: Final = (429, 502, 503, 504)


class Refused(Unreadable):
    """The server says no: its status, and the code and the message of its error."""

    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.http_status, self.error_code = status, error_code


class Connection:
    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        """`environment` has MLflow's own variables: MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD. PortError."""
        try:
            split = urlsplit(address)
            self._host, self._port = split.hostname or "", split.port
        except ValueError:
            raise PortError("This is no address of an MLflow server.") from None
        if split.scheme not in ("http", "https") or not self._host or split.query or split.fragment:
            raise PortError("The address of an MLflow server is http://HOST:PORT or https://HOST.")
        if split.username or split.password:
            raise PortError("Keys are not given in the address; set MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD.")
        self.address = f"{split.scheme}://{split.netloc}{split.path.rstrip('/')}"
        self._prefix, self._is_tls = split.path.rstrip("/"), split.scheme == "https"
        self._headers = {"Accept": "application/json", "User-Agent": "mlportal", **_authorization(environment)}
        self._http: http.client.HTTPConnection | None = None

    def get(self, path: str, /, **query: Any) -> Json:
        asked = urlencode({key: value for key, value in query.items() if value not in (None, "")}, doseq=True)
        return self._json("GET", f"/api/2.0/{path}?{asked}" if asked else f"/api/2.0/{path}", None)

    def post(self, path: str, method: str = "POST", /, **body: Any) -> Json:
        return self._json(method, f"/api/2.0/{path}", json.dumps(body).encode())

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """The bytes of an answer, on a connection of its own. Unreadable, also for one that ends in the middle."""
        connection = self._connect()
        try:
            response = self._ask(connection, "GET", path, None, {"Accept": "*/*"})
            if response.status != 200:
                raise Unreadable(f"the server answers {response.status}: {_said(response.read(2000))}")
            yield io.BufferedReader(_Whole(response), CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise Unreadable(f"the server broke off: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def put(self, path: str, stream: BinaryIO, size: int) -> None:
        """Unreadable when the server does not take it."""
        connection = self._connect()
        try:
            response = self._ask(connection, "PUT", path, stream, {"Content-Length": str(size)})
            data = response.read(2000)
            if response.status not in (200, 201, 204):
                raise Unreadable(f"the server answers {response.status}: {_said(data)}")
        except (OSError, http.client.HTTPException) as error:
            raise Unreadable(f"the server broke off: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def _json(self, method: str, path: str, body: bytes | None) -> Json:
        """PortError when nothing sensible comes back, Refused when the server says no."""
        status, data = self._patiently(method, path, body)
        try:
            answer = json.loads(data) if data else {}
        except (ValueError, RecursionError):
            answer = None
        if status != 200 or not isinstance(answer, dict):
            self._raise(status, data, answer, path)
        assert isinstance(answer, dict)
        return answer

    def _raise(self, status: int, data: bytes, answer: Any, path: str) -> None:
        message = _said(data)
        if isinstance(answer, dict) and isinstance(answer.get("error_code"), str):
            message = str(answer.get("message", message))[:500]
        if status in (401, 403):
            raise PortError(
                f"{self.address} answers {status}: {message}. It takes MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME"
                " and MLFLOW_TRACKING_PASSWORD, from the environment."
            )
        if status != 200 and isinstance(answer, dict) and "error_code" in answer:
            raise Refused(status, str(answer["error_code"]), message)
        route = path.partition("?")[0]
        if status in (404, 405):
            raise Refused(status, "ENDPOINT_NOT_FOUND", f"the server does not know {route}")
        raise PortError(f"{self.address} does not answer as MLflow does: {route} gives {status} {message!r:.200}")

    def _patiently(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """A server that is busy or starts anew is asked again. What may have been done is not sent twice."""
        for attempt in range(TRIES):
            may_repeat = attempt < TRIES - 1
            fresh = self._http is None
            try:
                self._http = self._http or self._connect()
                headers = {"Content-Type": "application/json"} if body is not None else {}
                response = self._ask(self._http, method, path, body, headers)
                data = response.read(MAX_JSON + 1)
            except (OSError, http.client.HTTPException) as error:
                self._http = None
                # A kept connection that the server has closed meanwhile: nothing of the request was looked at.
                closed = not fresh and isinstance(
                    error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError
                )
                reading = method == "GET" or path.endswith(("/search", "/search-all"))
                if may_repeat and (closed or reading) and not isinstance(error, ssl.SSLError):
                    time.sleep(0 if closed else 0.5 * 2**attempt)
                    continue
                raise PortError(f"{self.address} does not answer: {error or type(error).__name__}") from None
            if len(data) > MAX_JSON:
                raise PortError(f"{self.address} answers with more than {MAX_JSON} bytes.")
            if may_repeat and response.status in LATER:
                time.sleep(min(_seconds(response.getheader("Retry-After")) or 0.5 * 2**attempt, 30))
                continue
            return response.status, data
        raise AssertionError("the last attempt answers or raises")

    def _connect(self) -> http.client.HTTPConnection:
        if self._is_tls:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | BinaryIO | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        connection.request(method, self._prefix + path, body, {**self._headers, **headers})
        return connection.getresponse()


class _Whole(io.RawIOBase):
    """Reads the answer; an end before its announced length is an error, which http.client does not tell for parts."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._response.readinto(buffer)
        if not read and len(buffer) and self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)
        return read


def told(answer: Any, *names: str, default: str | None = None) -> str:
    """The text or the number at this place of an answer; without a default it has to be there. PortError."""
    found = answer
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, str | int) and found != "":
        return str(found)
    if default is None:
        raise PortError(f"The server does not answer as MLflow does: {'.'.join(names)} is missing.")
    return default


def pairs_of(said: Any, name: str) -> dict[str, str]:
    """A list of {key, value}. PortError for what is none."""
    found = said.get(name) if isinstance(said, dict) else None
    if found is None:
        return {}
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise PortError(f"The server does not answer as MLflow does: {name!r} is no list of objects.")
    return {text(item.get("key")): text(item.get("value")) for item in found}


def quoted(path: str) -> str:
    return quote(path, safe="/")


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    token, name = environment.get("MLFLOW_TRACKING_TOKEN"), environment.get("MLFLOW_TRACKING_USERNAME")
    if name:
        words = f"{name}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}
    return {"Authorization": f"Bearer {token.strip()}"} if token and token.strip() else {}


def _said(data: bytes) -> str:
    return " ".join(data[:300].decode("utf-8", "replace").split())[:200]


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdigit() else 0.0
