"""Running uv and what it made: what they see of the machine, their lines as they come, their end when nobody waits."""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.environments.errors import Canceled, TimedOut

Log = Callable[[str], None]
Cancelled = Callable[[], bool]

_POLL_SECONDS = 0.05
_KEPT_BYTES = 4 * 1024 * 1024
_AFTER_EXIT_SECONDS = 1.0
_NAMES = re.compile(
    r"PATH|HOME|LANG|LC_ALL|TMPDIR|NETRC|XDG_CONFIG_HOME|XDG_DATA_HOME|SSL_CERT_FILE|SSL_CERT_DIR|"
    r"(HTTP|HTTPS|ALL|NO)_PROXY|(http|https|all|no)_proxy"
)
# Which index, how to reach it, where its cache may link; not what to build with or what to publish to.
_UV_NAMES = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_.*|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|OFFLINE|HTTP_.*|REQUEST_TIMEOUT|NATIVE_TLS|"
    r"SYSTEM_CERTS|INSECURE_HOST|KEYRING_PROVIDER|CONCURRENT_.*|LINK_MODE|PYTHON_INSTALL_DIR)"
)
# pip's setting → uv's, unless one of the third column already says it.
_FROM_PIP = (
    ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", ("UV_DEFAULT_INDEX", "UV_INDEX_URL")),
    ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", ("UV_EXTRA_INDEX_URL", "UV_INDEX")),
    ("PIP_FIND_LINKS", "UV_FIND_LINKS", ("UV_FIND_LINKS",)),
    ("PIP_NO_INDEX", "UV_NO_INDEX", ("UV_NO_INDEX",)),
    ("PIP_CERT", "SSL_CERT_FILE", ("SSL_CERT_FILE",)),
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s`'\"<>)]+", re.IGNORECASE)


@dataclass(frozen=True)
class Finished:
    """How a process ended; both streams as cleaned text (the first 4 MB of each)."""

    code: int
    stdout: str
    stderr: str


def environment(machine: Mapping[str, str] | None = None) -> dict[str, str]:
    """An allow-list of the portal's own environment, so that no secret reaches uv or a package that it builds."""
    machine = os.environ if machine is None else machine
    chosen = {name: value for name, value in machine.items() if _NAMES.fullmatch(name) or _UV_NAMES.fullmatch(name)}
    for pip, name, taken_by in _FROM_PIP:
        if machine.get(pip) and not any(machine.get(each) for each in taken_by):
            # pip separates several folders or files by spaces, uv by commas.
            chosen[name] = ",".join(machine[pip].split()) if name == "UV_FIND_LINKS" else machine[pip]
    return {**chosen, "UV_NO_PROGRESS": "1", "UV_NO_COLOR": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}


def clean(text: str) -> str:
    """Without colours and control characters, and with no address of a package index."""
    text = _URL.sub("the package index", _ANSI.sub("", text))
    return "".join(char for char in text if char >= " " or char in "\n\t")


def run(
    argv: Sequence[str | Path],
    *,
    log: Log,
    cancelled: Cancelled,
    deadline: float,
    stdin: str = "",
    keep_open: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run to the end in a process group of its own; lines of stderr go to `log` as they come, cleaned.

    `deadline` is of `time.monotonic()`; `keep_open` are descriptors that the process inherits,
    `env` is what it sees instead of `environment()`. Raises Canceled or
    TimedOut after the whole group was killed.
    """
    with tempfile.TemporaryFile() as fed:
        fed.write(stdin.encode())
        fed.seek(0)
        # In "/" uv meets no pyproject.toml of the portal, whose [tool.uv] is not meant for the environments of runs.
        process = subprocess.Popen(
            [os.fspath(part) for part in argv],
            stdin=fed,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment() if env is None else env,
            cwd="/",
            start_new_session=True,
            pass_fds=tuple(keep_open),
        )
    assert process.stdout is not None and process.stderr is not None
    out, err = _Stream(None), _Stream(log)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, out)
            selector.register(process.stderr, selectors.EVENT_READ, err)
            for _ in _while_wanted(process, selector, cancelled, deadline):
                for key, _events in selector.select(_POLL_SECONDS):
                    if chunk := os.read(key.fd, 65536):
                        key.data.take(chunk)
                    else:
                        selector.unregister(key.fileobj)
        code = process.wait()
    finally:
        # Not waited for yet means that its number is still its own: the group cannot be somebody else's.
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        process.stderr.close()
    return Finished(code, out.text(), err.text())


def _while_wanted(
    process: "subprocess.Popen[bytes]", selector: selectors.BaseSelector, cancelled: Cancelled, deadline: float
) -> Iterator[None]:
    """One step after the other until both streams are closed; a grandchild that keeps them open is not waited for."""
    ended: float | None = None
    while selector.get_map():
        if cancelled():
            raise Canceled("the preparation was canceled")
        now = time.monotonic()
        if now >= deadline:
            raise TimedOut("preparing the environment took longer than allowed")
        if ended is None and _has_ended(process.pid):
            ended = now
        if ended is not None and now - ended > _AFTER_EXIT_SECONDS:
            return
        yield


def _has_ended(pid: int) -> bool:
    # WNOWAIT leaves the process to be waited for: until then its group cannot be anybody else's.
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class _Stream:
    """Gathers a stream in bounded memory and hands on whole lines."""

    def __init__(self, log: Log | None) -> None:
        self._log = log
        self._kept = bytearray()
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        self._kept += chunk[: max(0, _KEPT_BYTES - len(self._kept))]
        if self._log is None:
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        if self._log is not None and (text := clean(line.decode(errors="replace")).rstrip()):
            self._log(text)

    def text(self) -> str:
        """All that was kept; hands on a last line that has no end."""
        self._tell(self._rest)
        self._rest = b""
        return clean(self._kept.decode(errors="replace"))
