"""HTTP as the portal's client needs it: connections that stay open, one set a thread; retries of what is safe to repeat.

The token never goes to another host than the portal's, nor over plain HTTP where the portal has HTTPS.
"""

import os
import random
import socket
import threading
import time
from http import client as http_client
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union
from urllib.parse import urlencode, urljoin, urlsplit

from mlportal_sdk import __version__, errors

TRIES = 5
FIRST_PAUSE = 0.25  # seconds; doubled each time, with jitter
LONGEST_PAUSE = 8.0
LONGEST_ASKED_PAUSE = 60.0  # by Retry-After
PATIENCE = 3.0  # of silence, before `on_wait` is told
REDIRECTS = 5
IDLE_CONNECTIONS = 2  # a thread keeps
READ = 256 * 1024

# What says that the server closed a connection, or that the way to it is broken.
_BROKEN = (http_client.HTTPException, OSError)


class Body:
    """What a request sends: its length, and a function that gives its bytes anew for each try."""

    def __init__(self, length: int, chunks: Callable[[], Iterable[bytes]], content_type: str) -> None:
        self.length, self.chunks, self.content_type = length, chunks, content_type


class Answer:
    """An answer whose body is still on its way. `read` it, or `close` it."""

    def __init__(self, status: int, headers: Any, response: Any, release: Callable[[bool], None], where: str) -> None:
        self.status, self.headers = status, headers
        self.content = b""  # where `request` was asked for the whole
        self._response, self._release, self._where = response, release, where

    def read(self) -> bytes:
        """All that is left. Raises Unreachable when the connection breaks before the end."""
        return b"".join(self.chunks())

    def chunks(self, size: int = READ) -> Iterator[bytes]:
        """The body piece by piece, as it comes."""
        try:
            while True:
                piece = self._response.read1(size) if self._response.chunked else self._response.read(size)
                if not piece:
                    break
                yield piece
            # http.client takes an early end for the end where it was asked for a piece only
            if getattr(self._response, "length", None):
                raise http_client.IncompleteRead(b"", self._response.length)
        except _BROKEN as error:
            self.close()
            raise errors.Unreachable(
                "The connection to {} broke in the middle of an answer: {}.".format(self._where, reason(error))
            ) from error
        self._finish(True)

    def line(self) -> bytes:
        """The next line with its end; b"" at the end of the body. Raises as `read`."""
        try:
            found = self._response.readline(1 << 24)
        except _BROKEN as error:
            self.close()
            raise errors.Unreachable("The connection to {} broke: {}.".format(self._where, reason(error))) from error
        return bytes(found)

    def close(self) -> None:
        self._finish(False)

    def _finish(self, reusable: bool) -> None:
        release, self._release = self._release, lambda reusable: None
        release(reusable and not self._response.will_close)


class Http:
    """One portal. Safe to share between threads, and across fork."""

    def __init__(self, url: str, token: Optional[str] = None, timeout: float = 30.0, tries: int = TRIES) -> None:
        parts = urlsplit(url if "://" in url else "http://" + url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise errors.NotConfigured("The portal's address is none: {!r}. It is like http://host:8000".format(url))
        self.url = "{}://{}{}".format(parts.scheme, parts.netloc, parts.path.rstrip("/"))
        self.token = _clean_token(token)
        self.timeout, self.tries = timeout, tries
        self.server_version = ""
        self.on_wait: Optional[Callable[[str], None]] = None  # told why a request takes longer than a person expects
        self._idle = threading.local()

    def request(
        self,
        method: str,
        path: str,
        query: Optional[Dict[str, Any]] = None,
        body: Optional[Union[bytes, Body]] = None,
        headers: Optional[Dict[str, str]] = None,
        repeatable: Optional[bool] = None,
        timeout: Optional[float] = None,
        tries: Optional[int] = None,
        whole: bool = False,
    ) -> Answer:
        """An answer with a status below 400 (and 416, which a download asks for). Raises the error of any other.

        `path` begins with a slash, below the portal's address. With `whole` the body is read into `content`. Unless
        `repeatable` says otherwise, GET, HEAD, PUT and DELETE are repeated when no answer comes, and any method when
        the portal refused it unread (429) or was not reached at all.
        """
        url = self.url + path + query_string(query)
        sent = {
            "User-Agent": "mlportal-sdk/{} python/{}".format(__version__, _python()),
            "Accept": "application/json, */*;q=0.5",
            **(headers or {}),
        }
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = "Bearer " + self.token
        if repeatable is None:
            repeatable = method in ("GET", "HEAD", "PUT", "DELETE")
        last, begun, told = tries or self.tries, time.monotonic(), False
        for number in range(1, last + 1):
            try:
                answer = self._follow(method, url, body, sent, timeout or self.timeout)
                if whole and answer.status < 400:
                    answer.content = answer.read()
            except _BROKEN + (errors.Unreachable,) as error:
                unsent = isinstance(error, (ConnectionRefusedError, socket.gaierror))
                if number == last or not (repeatable or unsent) or _is_hopeless(error):
                    if isinstance(error, errors.Unreachable):
                        raise
                    raise errors.Unreachable(self._away(error)) from error
                if self.on_wait and not told and time.monotonic() - begun >= PATIENCE:
                    told = True
                    self.on_wait("The portal at {} does not answer ({}); trying again.".format(self.url, reason(error)))
                time.sleep(pause(number))
                continue
            if answer.status < 400 or answer.status == 416:
                return answer
            wait = _wait_asked(answer)
            error_body = _read_bounded(answer)
            if method == "DELETE" and answer.status == 404 and number > 1:
                return answer  # the try before it did its work, only its answer was lost
            busy = answer.status == 429 or (answer.status in (502, 503, 504) and repeatable)
            if busy and number < last and (wait or 0) <= LONGEST_ASKED_PAUSE:
                time.sleep(pause(number) if wait is None else wait)
                continue
            raise errors.of_answer(self.url, answer.status, error_body, self.server_version)
        raise AssertionError("not reached")

    def _follow(
        self, method: str, url: str, body: Optional[Union[bytes, Body]], headers: Dict[str, str], timeout: float
    ) -> Answer:
        home = urlsplit(self.url)
        for _ in range(REDIRECTS + 1):
            answer = self._send(method, url, body, headers, timeout)
            if answer.status not in (301, 302, 303, 307, 308) or not answer.headers.get("Location"):
                if urlsplit(url).netloc == home.netloc:
                    self.server_version = answer.headers.get("X-MLPortal-Version") or self.server_version
                return answer
            target = urljoin(url, answer.headers["Location"])
            _read_bounded(answer)
            parts = urlsplit(target)
            if method not in ("GET", "HEAD"):
                raise errors.NoPortal(
                    "{} sends on to {}: use that address in config.json.".format(self.url, _origin(target)),
                    answer.status,
                )
            same = parts.hostname == home.hostname and (
                parts.netloc == home.netloc or (home.scheme, parts.scheme) == ("http", "https")
            )
            if not same or (home.scheme == "https" and parts.scheme != "https"):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            if parts.scheme not in ("http", "https"):
                raise errors.NoPortal("{} sends on to {}".format(self.url, target), answer.status)
            url = target
        raise errors.NoPortal("{} sends on and on, at last to {}".format(self.url, url))

    def _send(
        self, method: str, url: str, body: Optional[Union[bytes, Body]], headers: Dict[str, str], timeout: float
    ) -> Answer:
        parts = urlsplit(url)
        key, connection, target, more = self._connection(parts, timeout)
        target += (parts.path or "/") + ("?" + parts.query if parts.query else "")
        sent = {**headers, **more}
        content: Any = body
        if isinstance(body, Body):
            sent["Content-Length"], sent["Content-Type"] = str(body.length), body.content_type
            content = body.chunks()
        try:
            try:
                connection.request(method, target, body=content, headers=sent)
            except (BrokenPipeError, ConnectionResetError):
                # A server that refuses a large body answers and closes before it has read it: the answer says why.
                try:
                    response = connection.getresponse()
                except _BROKEN:
                    response = None
                if response is None:
                    raise
            else:
                response = connection.getresponse()
        except BaseException:
            connection.close()
            raise

        def release(reusable: bool) -> None:
            if reusable:
                self._keep(key, connection)
            else:
                connection.close()

        return Answer(response.status, response.headers, response, release, self.url)

    def _connection(self, parts: Any, timeout: float) -> Tuple[Any, Any, str, Dict[str, str]]:
        """(key, connection, what stands before the path, headers) for a URL, by way of a proxy where one is set."""
        proxy = self._proxy(parts)
        key = (parts.scheme, parts.netloc, proxy)
        before = ""
        headers: Dict[str, str] = {}
        if proxy:
            via = urlsplit(proxy if "://" in proxy else "http://" + proxy)
            if via.username:
                headers["Proxy-Authorization"] = "Basic " + _basic(via)
            if parts.scheme == "http":
                before = "http://" + parts.netloc
        for idle, connection in self._mine():
            if idle == key:
                self._mine().remove((idle, connection))
                if _is_alive(connection):
                    connection.timeout = timeout
                    connection.sock.settimeout(timeout)
                    return key, connection, before, headers if before else {}
                connection.close()
                break
        host, port = parts.hostname, parts.port
        if proxy:
            host, port = via.hostname, via.port or 80
        if parts.scheme == "https":
            connection = http_client.HTTPSConnection(host, port, timeout=timeout, context=_tls())
            if proxy:
                connection.set_tunnel(parts.hostname, parts.port or 443, headers)
        else:
            connection = http_client.HTTPConnection(host, port, timeout=timeout)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return key, connection, before, headers if before else {}

    def _mine(self) -> List[Any]:
        """This thread's idle connections. A forked child leaves its parent's alone: both would read one socket."""
        if getattr(self._idle, "process", None) != os.getpid():
            self._idle.process, self._idle.connections = os.getpid(), []
        return self._idle.connections  # type: ignore[no-any-return]

    def _keep(self, key: Any, connection: Any) -> None:
        mine = self._mine()
        if connection.sock is None:
            return
        mine.append((key, connection))
        while len(mine) > IDLE_CONNECTIONS:
            mine.pop(0)[1].close()

    @staticmethod
    def _proxy(parts: Any) -> Optional[str]:
        names = [name.lower() for name in os.environ]
        if os.name == "posix" and not any(name.endswith("_proxy") for name in names):
            if os.uname().sysname != "Darwin":
                return None  # urllib.request is slow to import, and would find nothing
        from urllib.request import getproxies, proxy_bypass

        proxy = getproxies().get(parts.scheme)
        return None if proxy is None or proxy_bypass(parts.netloc) else proxy

    def _away(self, error: BaseException) -> str:
        import ssl

        if isinstance(error, ssl.SSLError):
            return (
                "The certificate of {} is not trusted, or it speaks no TLS: {}. For a certificate of your own "
                "authority set SSL_CERT_FILE to the authority's file.".format(self.url, reason(error))
            )
        return "The portal at {} does not answer: {}. Is it running, and is the address right?".format(
            self.url, reason(error)
        )


def query_string(query: Optional[Dict[str, Any]]) -> str:
    """`?a=1&a=2`: None is left out, a list is repeated, booleans are true and false."""
    pairs: List[Tuple[str, str]] = []
    for name, value in (query or {}).items():
        for one in value if isinstance(value, (list, tuple, set)) else [value]:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return "?" + urlencode(pairs) if pairs else ""


def pause(number: int) -> float:
    """Seconds before the next try after `number` of them: doubled each time, half of it by chance."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (number - 1))
    return longest / 2 + random.random() * longest / 2


def reason(error: BaseException) -> str:
    """What is wrong, for people."""
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, http_client.RemoteDisconnected):
        return "it closed the connection without an answer"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _wait_asked(answer: Answer) -> Optional[float]:
    """Seconds that Retry-After asks for; None where it does not."""
    asked = answer.headers.get("Retry-After")
    if not asked:
        return None
    if asked.strip().isdigit():
        return float(asked)
    from email.utils import mktime_tz, parsedate_tz

    parsed = parsedate_tz(asked)
    if parsed is None:
        return None
    at: float = mktime_tz(parsed)
    return max(0.0, at - time.time())


def _read_bounded(answer: Answer, most: int = 1 << 24) -> bytes:
    found, size = [], 0
    try:
        for piece in answer.chunks():
            found.append(piece)
            size += len(piece)
            if size > most:
                answer.close()
                break
    except errors.Unreachable:
        pass
    return b"".join(found)


def _is_alive(connection: Any) -> bool:
    """Whether an idle connection is still open: what can be read from it now is its end."""
    import select

    if connection.sock is None:
        return False
    try:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(connection.sock, select.POLLIN)
            return not poll.poll(0)
        return not select.select([connection.sock], [], [], 0)[0]
    except (OSError, ValueError):
        return False


def _is_hopeless(error: BaseException) -> bool:
    """A certificate that is not trusted will not be trusted in a second."""
    import ssl

    return isinstance(error, ssl.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


_context: Any = None


def _tls() -> Any:
    """Made once: reading the authorities takes 20 ms."""
    global _context
    if _context is None:
        import ssl

        _context = ssl.create_default_context()
    return _context


def _clean_token(token: Optional[str]) -> Optional[str]:
    token = (token or "").strip()
    if any(not "!" <= letter <= "~" for letter in token):
        raise errors.NotConfigured("The token has characters that no token has; copy it again.")
    return token or None


def _basic(via: Any) -> str:
    from base64 import b64encode
    from urllib.parse import unquote

    pair = "{}:{}".format(unquote(via.username), unquote(via.password or ""))
    return b64encode(pair.encode("utf-8")).decode("ascii")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return "{}://{}".format(parts.scheme, parts.netloc)


def _python() -> str:
    import sys

    return "{}.{}".format(*sys.version_info[:2])
