"""Logging to a run over HTTP: lines as those of metrics.jsonl, gathered and sent by a thread of their own.

The caller never waits for the network. What is not sent yet is sent when the run completes, and at the process's end.
"""

import atexit
import os
import tempfile
import threading
import time
import uuid
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from mlportal_sdk import errors
from mlportal_sdk.blobs import entries_of, of_bytes, of_file
from mlportal_sdk.recorder import Recorder
from mlportal_sdk.uploads import Uploads, artifact_name

from azureml._said import say
from azureml.exceptions import UserErrorException

BATCH_LINES = 5000
BATCH_BYTES = 1000 * 1000  # a body of the API may have more
GATHER_SECONDS = 0.25
IDLE_SECONDS = 5.0
EXIT_SECONDS = 60.0
PATIENCE_SECONDS = 5.0  # of silence, before a caller who waits is told why
MOST_LINES = 2 * 1000 * 1000  # some hundreds of megabytes, were the portal away for hours

_AWAY = (errors.Unreachable, errors.Unavailable, errors.TooManyRequests)
_SHUT_OUT = (errors.NotAuthenticated, errors.NotAllowed)


class HttpRecorder(Recorder):
    """A Recorder whose lines go to the portal."""

    def __init__(self, scope: Any, run_id: str) -> None:
        self._sender = Sender(scope, run_id)
        self._names: Dict[str, str] = {}

    def __reduce__(self) -> Tuple[Callable[..., "HttpRecorder"], Tuple[Any, ...]]:
        return _recorder_of, (self._sender.url, self._sender.workspace, self._sender.run_id)

    def _append(self, line: str) -> None:
        self._sender.put(line)

    def flush(self, seconds: float) -> None:
        self._sender.flush(seconds)


def _recorder_of(url: str, workspace: str, run_id: str) -> HttpRecorder:
    from mlportal_sdk.client import Client

    return HttpRecorder(Client.for_portal(url).workspace(workspace), run_id)


class _Batch:
    """Lines that travel together. Sent again when an answer is lost, they have the key of before: the portal counts once."""

    def __init__(self, lines: List[str]) -> None:
        self.lines, self.key = lines, str(uuid.uuid4())


class Sender:
    """The lines of one run that are still to be sent, and the thread that sends them. Safe across fork."""

    def __init__(self, scope: Any, run_id: str) -> None:
        self._scope, self.run_id = scope, run_id
        self.url, self.workspace = scope.url, scope.name
        self._path = "runs/{}/metrics/".format(run_id)
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: List[str] = []
        self._unsettled: List[_Batch] = []  # before what waits; of the first nobody knows whether it has arrived
        self._hurry = False
        self._thread: Optional[threading.Thread] = None
        self._is_full = self._is_away = False
        self._shut_out: Optional[errors.PortalError] = None  # the token opens the run no more

    def put(self, line: str) -> None:
        if self._process != os.getpid():
            self._begin()  # what waits was its parent's to send, and the thread is there
        with self._changed:
            if len(self._waiting) >= MOST_LINES:
                if not self._is_full:
                    say(
                        "run {} has {} metrics that wait for the portal: more are dropped".format(
                            self.run_id, MOST_LINES
                        )
                    )
                self._is_full = True
                return
            self._is_full = False
            self._waiting.append(line)
            if self._shut_out is None:
                self._start()
            if len(self._waiting) == 1 or len(self._waiting) == BATCH_LINES:
                self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="mlportal-metrics", daemon=True)
            _open.add(self)
            self._thread.start()

    def flush(self, seconds: float) -> None:
        """Returns when all that was logged before is stored.

        Raises Unreachable where that takes longer, and at once what keeps the token out.
        """
        if self._process != os.getpid():
            return
        begun = time.monotonic()
        is_said = False
        with self._changed:
            if self._unsettled or self._waiting:
                self._shut_out = None  # one more try
                self._start()
            self._hurry = True
            self._changed.notify_all()
            while self._unsettled or self._waiting:
                if self._shut_out is not None:
                    raise self._shut_out
                waited = time.monotonic() - begun
                if waited >= seconds or self._thread is None or not self._thread.is_alive():
                    raise errors.Unreachable(
                        "{} metrics of run {} could not be sent to {} yet. They wait; when this process ends before the "
                        "portal is there again, they go to {}.".format(
                            self._count(), self.run_id, self.url, self._rest_path
                        )
                    )
                if self._is_away and not is_said and waited >= PATIENCE_SECONDS:
                    is_said = True
                    say(
                        "the portal at {} does not answer; {} metrics of run {} are waited for, up to {:.0f} s".format(
                            self.url, self._count(), self.run_id, seconds
                        )
                    )
                self._changed.wait(min(seconds - waited, 1.0))
            self._hurry = False

    def _count(self) -> int:
        return sum(len(batch.lines) for batch in self._unsettled) + len(self._waiting)

    @property
    def _rest_path(self) -> str:
        return os.path.join(tempfile.gettempdir(), "mlportal-unsent-{}.jsonl".format(self.run_id))

    def save_rest(self) -> None:
        """At the process's end: what could not be sent goes to a file, and its name is said."""
        with self._changed:
            unsure = len(self._unsettled[0].lines) if self._unsettled else 0
            lines = [line for batch in self._unsettled for line in batch.lines] + self._waiting
            self._unsettled, self._waiting = [], []
        if lines:
            with open(self._rest_path, "a", encoding="ascii") as file:
                file.writelines(lines)
            doubt = "; the first {} of them may have arrived nevertheless".format(unsure) if unsure else ""
            print(
                "{} metrics of run {} could not be sent{}; they are in {}".format(
                    len(lines), self.run_id, doubt, self._rest_path
                )
            )

    def _run(self) -> None:
        failures = 0
        while True:
            with self._changed:
                if not (self._unsettled or self._waiting):
                    self._changed.wait(IDLE_SECONDS)
                if not (self._unsettled or self._waiting):
                    self._thread = None  # the next line starts another one: a notebook may have hundreds of runs
                    _open.discard(self)
                    return
                if not self._unsettled:
                    if not self._hurry and len(self._waiting) < BATCH_LINES:
                        self._changed.wait(GATHER_SECONDS)  # what is logged next travels with it
                    self._unsettled = [_Batch(self._take())]
                batch = self._unsettled[0]
            try:
                rest = self._post(batch)
                failures = 0
            except _AWAY:
                failures += 1
                rest = [batch]
            except _SHUT_OUT as error:
                with self._changed:
                    self._shut_out, self._thread = error, None
                    self._changed.notify_all()
                say("what is logged to run {} waits from now on: {}".format(self.run_id, error.message))
                return
            with self._changed:
                self._is_away = failures > 0
                self._unsettled[:1] = rest
                self._changed.notify_all()
            if failures:
                time.sleep(min(0.25 * 2 ** min(failures, 6), 8.0))

    def _take(self) -> List[str]:
        batch: List[str] = []
        size = 0
        for line in self._waiting[:BATCH_LINES]:
            size += len(line)
            if batch and size > BATCH_BYTES:
                break
            batch.append(line)
        del self._waiting[: len(batch)]
        return batch

    def _post(self, batch: _Batch) -> List[_Batch]:
        """What of it is still to be sent: nothing, or its halves, of which one has the line that the portal refuses."""
        lines = batch.lines
        body = '{{"records":[{}]}}'.format(",".join(line.strip() for line in lines)).encode("ascii")
        try:
            self._scope.raw(
                "POST",
                self._path,
                body=body,
                headers={"Idempotency-Key": batch.key},
                repeatable=True,
                whole=True,
            )
        except errors.BadInput as error:
            if len(lines) > 1:
                middle = len(lines) // 2
                return [_Batch(lines[:middle]), _Batch(lines[middle:])]
            say("a metric of run {} was refused: {}".format(self.run_id, error.message))
        except _AWAY + _SHUT_OUT:
            raise
        except errors.PortalError as error:
            if error.code == "in_progress":
                raise errors.Unavailable(error.message, error.status, error.code) from None
            say("{} metrics of run {} were refused: {}".format(len(lines), self.run_id, error.message))
        return []


_open: Set[Sender] = set()


@atexit.register
def _finish() -> None:
    deadline = time.monotonic() + EXIT_SECONDS
    for sender in list(_open):
        if sender._process != os.getpid():
            continue
        try:
            sender.flush(max(0.0, deadline - time.monotonic()))
        except errors.PortalError:
            sender.save_rest()


class HttpUploads(Uploads):
    """Files go to the portal at once: by name first, and the bytes only where it lacks them."""

    def __init__(self, scope: Any, run_id: str) -> None:
        self._scope, self._run_id = scope, run_id

    def __reduce__(self) -> Any:
        return _uploads_of, (self._scope.url, self._scope.name, self._run_id)

    def add(self, name: str, path_or_stream: Any) -> str:
        name = artifact_name(name)
        self.send([(name, path_or_stream)])
        return name

    def add_new(self, stem: str, suffix: str, write: Callable[[Any], None]) -> str:
        from io import BytesIO

        letters = [letter if letter.isalnum() or letter in " -_." else "_" for letter in str(stem)]
        stem = "".join(letters).lstrip(".")[:100] or "_"
        buffer = BytesIO()
        write(buffer)
        count = 0
        while True:
            name = artifact_name("{}_{}{}".format(stem, count, suffix) if count else stem + suffix)
            try:
                self.send([(name, BytesIO(buffer.getvalue()))])
                return name
            except UserErrorException:
                count += 1

    def send(self, files: List[Tuple[str, Any]]) -> None:
        sources = []
        for name, found in files:
            if hasattr(found, "read"):
                content = found.read()
                sources.append(of_bytes(content.encode("utf-8") if isinstance(content, str) else content, name))
            else:
                if not os.path.isfile(found):
                    raise FileNotFoundError("no such file: {!r}".format(found))
                sources.append(of_file(found, name))
        if not sources:
            return
        path = "runs/{}/artifacts/".format(self._run_id)
        try:
            self._scope.name_files(path, {"entries": entries_of(sources)}, sources)
        except errors.Conflict as error:
            raise UserErrorException(error.message) from None


def _uploads_of(url: str, workspace: str, run_id: str) -> HttpUploads:
    from mlportal_sdk.client import Client

    return HttpUploads(Client.for_portal(url).workspace(workspace), run_id)
