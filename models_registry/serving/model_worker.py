"""A replica: loads one model in the model's own environment and answers on a Unix socket. Python 3.6 and up.

    python -I -u model_worker.py --socket S --model PATH --framework ScikitLearn --spec '{"memory_bytes": …}'
    python -I -u model_worker.py --socket S --script PATH --spec '{"call_seconds": …}'

The second form runs an entry script (see entry_script.py), in the folder of its snapshot. The first needs numpy and what
the model needs. Says on standard error what happens (the supervisor keeps it as the log). Exits 0
after SIGTERM, when what it was working on is answered; 3 when the model cannot be loaded; 4 when the socket cannot be
made; 5 when memory ran out. The last line of the log then says why.

`--spec` is JSON: "parent" (pid that this process shall not outlive), "memory_bytes", "open_files", "file_bytes",
"max_body_bytes", "framework_version", "modules" (folders of Python modules that the model may need), "call_seconds"
(after which a call of a script ends this process). All may be missing.
"""

import argparse
import collections
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Deque, Dict, List, Optional, Set, Tuple

EXIT_NOT_LOADED, EXIT_NO_SOCKET, EXIT_OUT_OF_MEMORY = 3, 4, 5
CALL_SECONDS = 60.0
READ_BYTES, PEEK_BYTES = 1 << 17, 1 << 10
NAN = float("nan")
MESSAGE_CHARACTERS = 2000
OF_INPUT = (
    "convert",
    "must be",
    "not supported between instances",
    "for the input types",
    "unhashable",
)  # in a TypeError

log_file = 2  # then a copy of it: scripts may close their standard error


def _beside(name: str) -> Any:
    """The module `name` of this folder. `-I` keeps the folder off the path, where its names could shadow others."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("mlportal_" + name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log(text: str) -> None:
    line = "%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text)
    try:
        os.write(log_file, line.encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # the log has reached its limit: serving goes on


class Model(object):
    """A loaded model, called with what came over the socket. Raises CannotLoad for what answers nothing."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.methods = description.methods(model)
        self.names = description.feature_names(model)
        self.pandas: Any = None
        if self.names and description.installed("pandas"):
            import pandas

            self.pandas = pandas
        # A lone estimator takes numbers as they are; one that holds others may pick columns by name inside.
        self.frames_numbers = description.holds_others(model)
        self.keeps_none = description.knows_none(model)
        self.takes_text: Dict[int, bool] = {}  # by column, as far as it had to be asked
        self.described = description.describe(model)
        if not self.methods:
            raise loading.CannotLoad(loading.why_no_methods(model))
        self._try_example()

    def _try_example(self) -> None:
        """Leave the example out if the model does not take it; otherwise the first real call finds it warm."""
        rows = self.described["example"]
        try:
            self.call(self.methods[0], {"rows": rows or [[0.0]]})
        except Exception as error:
            if process.is_out_of_memory(error):
                raise MemoryError from None
            if type(error).__name__ == "NotFittedError":
                raise loading.CannotLoad("it is not fitted: %s" % error) from None
            if rows is not None:
                log("no example request: the model does not take %s (%s)" % (rows, error))
            self.described["example"] = None

    def respond(self, number: int, method: str, payload: Any) -> bytes:
        """The message that answers a request."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return protocol.encode(number, method, self.call(method, payload))
        except MemoryError:
            raise
        except (ValueError, KeyError, IndexError, OverflowError) as error:
            return protocol.encode_error(number, "bad_input", str(error)[:MESSAGE_CHARACTERS])
        except TypeError as error:
            # scikit-learn answers TypeError to text where numbers belong, and to its own faults too.
            code = "bad_input" if any(sign in str(error) for sign in OF_INPUT) else "model_error"
            return protocol.encode_error(number, code, ("TypeError: %s" % error)[:MESSAGE_CHARACTERS])
        except Exception as error:
            if process.is_out_of_memory(error):
                raise MemoryError from None
            log(traceback.format_exc())
            return protocol.encode_error(
                number, "model_error", ("%s: %s" % (type(error).__name__, error))[:MESSAGE_CHARACTERS]
            )

    def call(self, method: str, payload: Any) -> Any:
        """The answer of `method`: a numeric array, or a JSON value for anything else.

        `payload` is an array, or {"rows": …, "params": {…}, "dtype": …}: rows of mixed types, or with a dtype of
        numbers, and further arguments of the method.
        """
        params: Dict[str, Any] = {}
        if isinstance(payload, dict):
            params = payload.get("params") or {}
            if payload.get("dtype"):
                payload = np.array(payload["rows"], dtype=payload["dtype"])
            elif method != "inverse_transform" and self.described["takes"] == "cells":
                self._refuse_numbers_as_texts(method, payload["rows"])
        return answers.answer_of(getattr(self.model, method)(self._input(method, payload), **params), protocol.CODES)

    def _input(self, method: str, payload: Any) -> Any:
        if isinstance(payload, np.ndarray):
            if self.pandas is not None and self.frames_numbers and payload.ndim == 2 and method != "inverse_transform":
                return self.pandas.DataFrame(payload, columns=self._columns(payload.shape[1]))
            return payload
        rows = payload["rows"]
        if not rows or not isinstance(rows[0], list) or self.described["takes"] != "cells":
            return rows  # one text per row, as a vectorizer takes them
        if not self.keeps_none:
            rows = [[NAN if cell is None else cell for cell in row] for row in rows]
        if self.pandas is not None:
            return self.pandas.DataFrame(rows, columns=self._columns(len(rows[0])))
        array = np.empty((len(rows), len(rows[0])), dtype=object)
        array[:] = rows
        return array

    def _columns(self, width: int) -> Any:
        return self.names if self.names is not None and width == len(self.names) else None

    def _refuse_numbers_as_texts(self, method: str, rows: Any) -> None:
        """Raises ValueError for "5.1" where the model takes 5.1: numpy would convert it, and hide a caller's mistake."""
        if not rows or not isinstance(rows[0], list):
            return
        for place in range(len(rows[0])):
            if self.takes_text.get(place):
                continue
            found = next((row for row in rows if isinstance(row[place], str) and _is_number(row[place])), None)
            if found is not None and not self._asked_whether_text(method, found, place):
                name = self.names[place] if self.names and len(self.names) > place else place
                raise ValueError("column %s takes numbers, and has the text %r" % (name, found[place][:40]))

    def _asked_whether_text(self, method: str, row: Any, place: int) -> bool:
        if place not in self.takes_text:
            try:
                getattr(self.model, method)(
                    self._input(method, {"rows": [row[:place] + ["no number"] + row[place + 1 :]]})
                )
            except Exception as error:
                if "could not convert string to float" in str(error):
                    self.takes_text[place] = False
                elif not isinstance(error, ValueError):
                    return True
            self.takes_text.setdefault(place, True)
        return self.takes_text[place]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class Script(object):
    """An entry script, called with what came over the socket."""

    def __init__(self, path: str, call_seconds: float) -> None:
        self.script = entry_script.Script(path, os.getcwd(), log, call_seconds, log_file)
        self.methods = self.script.methods
        self.described = dict(
            self.script.described,
            **{"class": self.script.name, "python": description.python(), "versions": description.versions()},
        )

    def respond(self, number: int, method: str, payload: Any) -> bytes:
        """The message that answers a request."""
        if not isinstance(payload, protocol.Raw):
            return protocol.encode_error(number, "bad_input", "an entry script takes bodies as they are")
        try:
            return protocol.encode(number, method, protocol.Raw(*self.script.call(payload.meta, payload.body)))
        except entry_script.Refused as error:
            return protocol.encode_error(number, "bad_input", str(error))
        except entry_script.Failed as error:
            return protocol.encode_error(number, "model_error", str(error))


class Connection(object):
    """A connection of the gateway: what has come and is not answered, and what of an answer is not sent."""

    def __init__(self, stream: socket.socket, max_body: int) -> None:
        self.stream = stream
        self.decoder = protocol.Decoder(max_body)
        self.requests: Deque[Any] = collections.deque()
        self.unsent: List[Any] = []
        self.is_over = self.is_shut = False

    def read(self, space: memoryview) -> None:
        """Raises OSError, ProtocolError."""
        try:
            size = self.stream.recv_into(space)
        except BlockingIOError:
            return
        if size:
            self.requests.extend(self.decoder.feed(space[:size]))
        else:
            self.is_over = True

    def take_no_more(self) -> None:
        """What has arrived is still read, what comes is refused."""
        if not self.is_shut:
            self.is_shut = True
            try:
                self.stream.shutdown(socket.SHUT_RD)
            except OSError:
                pass

    def write(self) -> None:
        """As much as the other side takes now. Raises OSError."""
        while self.unsent:
            part = memoryview(self.unsent[0])
            try:
                sent = self.stream.send(part)
            except BlockingIOError:
                return
            self.unsent[0:1] = [part[sent:]] if sent < len(part) else []


class Server(object):
    """One thread reads requests, calls the model and sends the answers: the model does one call at a time anyway, and to
    hand something over to another thread of Python may take milliseconds. Another thread takes new connections, answers
    those that ask for health or description, also while the model works, and leaves all others to the first.
    """

    def __init__(self, model: Any, path: str, max_body: int) -> None:
        self.model = model
        self.max_body = max_body
        self.draining = self.closed = False
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with sockets.address_of(path) as address:
            self.listener.bind(address)
        os.chmod(path, 0o600)
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.left: Deque[Connection] = collections.deque()  # by the second thread to the first
        # Bytes on these wake the two threads. That of the second is what signals write to.
        self.woken, self.wake = _pipe()
        self.told, self.tell = _pipe()
        self.door = threading.Thread(target=self._keep_the_door, daemon=True)

    def serve(self) -> None:
        """Until `drain` was called and all that had come is answered."""
        self.door.start()
        space = memoryview(bytearray(READ_BYTES))
        with selectors.DefaultSelector() as selector:
            selector.register(self.woken, selectors.EVENT_READ)
            here: Set[Connection] = set()
            while here or self.left or not self.closed:
                for key, events in selector.select():
                    if key.data is None:
                        _empty(self.woken)
                    elif not self._go_on(key.data, events, space, selector):
                        here.remove(key.data)
                while self.left:
                    connection = self.left.popleft()
                    selector.register(connection.stream, selectors.EVENT_READ, connection)
                    here.add(connection)
                if self.closed:
                    for connection in here:
                        connection.take_no_more()

    def drain(self, *_: Any) -> None:
        self.draining = True
        _write(self.tell)

    def _keep_the_door(self) -> None:
        strangers: Dict[int, socket.socket] = {}
        space = memoryview(bytearray(PEEK_BYTES))
        with selectors.DefaultSelector() as selector:
            selector.register(self.told, selectors.EVENT_READ)
            selector.register(self.listener, selectors.EVENT_READ)
            while not self.draining:
                for key, _ in selector.select():
                    if key.fd == self.told:
                        self.draining = self.draining or signal.SIGTERM in _empty(self.told)
                    elif key.fileobj is self.listener:
                        stream = self._accepted()
                        if stream is not None:
                            strangers[stream.fileno()] = stream
                            selector.register(stream, selectors.EVENT_READ)
                    else:
                        stays = self._answer_at_the_door(strangers[key.fd], space)
                        if not stays:
                            selector.unregister(key.fileobj)
                            stream = strangers.pop(key.fd)
                            stream.close() if stays is None else self._leave(stream)
        log("stopping")
        self.listener.close()
        for stream in strangers.values():
            self._leave(stream)
        self.closed = True
        _write(self.wake)

    def _accepted(self) -> Optional[socket.socket]:
        try:
            stream, _ = self.listener.accept()
        except OSError:
            return None
        stream.setblocking(False)
        return stream

    def _leave(self, stream: socket.socket) -> None:
        self.left.append(Connection(stream, self.max_body))
        _write(self.wake)

    def _answer_at_the_door(self, stream: socket.socket, space: memoryview) -> Optional[bool]:
        """True when this was a question for health or description, and is answered; None when nobody asks any more."""
        try:
            size = stream.recv_into(space, len(space), socket.MSG_PEEK)
            if not size:
                return None
            found = protocol.Decoder(PEEK_BYTES).feed(space[:size])
            if len(found) != 1 or found[0].name not in ("health", "describe"):
                return False
            answer = self._told(found[0])
            stream.recv_into(space, size)
            return True if stream.send(answer) == len(answer) else None
        except BlockingIOError:
            return True
        except OSError:
            return None
        except protocol.ProtocolError:  # as the rest of a large message, too: the other thread knows
            return False

    def _go_on(self, connection: Connection, events: int, space: memoryview, selector: Any) -> bool:
        """Read, answer, send on this connection; whether it stays open."""
        try:
            if connection.unsent:
                connection.write()
            if events & selectors.EVENT_READ:
                connection.read(space)
            while connection.requests and not connection.unsent:
                connection.unsent = self._respond(connection.requests.popleft())
                connection.write()
            # Who does not take the answers is not asked for more requests.
            wanted = selectors.EVENT_WRITE if connection.unsent else selectors.EVENT_READ
            if connection.is_over and not connection.unsent:
                raise OSError("closed")
            if selector.get_key(connection.stream).events != wanted:
                selector.modify(connection.stream, wanted, connection)
        except (OSError, protocol.ProtocolError) as error:
            if isinstance(error, protocol.ProtocolError):
                log("a connection is closed: %s" % error)
            selector.unregister(connection.stream)
            connection.stream.close()
            return False
        return True

    def _told(self, request: Any) -> bytes:
        """The answer about this process itself."""
        told = self.model.described
        if request.name == "health":
            told = {"ready": not self.draining, "peak_memory_bytes": process.peak_memory()}
        answer: bytes = protocol.encode(request.request_id, request.name, told)
        return answer

    def _respond(self, request: Any) -> List[Any]:
        number, method = request.request_id, request.name
        if method in ("health", "describe"):
            return [self._told(request)]
        if method not in self.model.methods:
            text = "the model has no method %s, only %s" % (method, self.model.methods)
            return [protocol.encode_error(number, "no_method", text)]
        try:
            return [self.model.respond(number, method, request.payload)]
        except MemoryError:
            log("out of memory in %s" % method)
            os._exit(EXIT_OUT_OF_MEMORY)


def _pipe() -> Tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


def _write(pipe: int) -> None:
    try:
        os.write(pipe, b"\0")
    except BlockingIOError:
        pass  # it is full of what wakes as well


def _empty(pipe: int) -> bytes:
    try:
        return os.read(pipe, 4096)
    except BlockingIOError:
        return b""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model")
    what.add_argument("--script")
    parser.add_argument("--framework", default="ScikitLearn")
    parser.add_argument("--spec", default="{}", type=json.loads)
    options = parser.parse_args()
    if options.spec.get("parent"):
        process.tie_to_parent(options.spec["parent"])
    process.limit(options.spec)
    path = options.script or options.model
    log("loading %s with Python %s" % (os.path.basename(path), sys.version.split()[0]))
    started = time.time()
    try:
        served: Any = load_script(options) if options.script else load_model(options)
    except (entry_script.CannotStart, loading.CannotLoad) as error:
        if process.is_out_of_memory(error):
            raise MemoryError from None
        log("%s: %s" % ("the entry script cannot be used" if options.script else "the model cannot be loaded", error))
        return EXIT_NOT_LOADED
    try:
        server = Server(served, options.socket, options.spec.get("max_body_bytes") or protocol.DEFAULT_MAX_BODY)
    except OSError as error:
        log("the socket %s cannot be made: %s" % (options.socket, error))
        return EXIT_NO_SOCKET
    drain_on_sigterm(server)
    log("ready after %.2f s: %s, %s" % (time.time() - started, served.described["class"], served.described["versions"]))
    if options.script:
        work_and_serve(served.script, server)
    else:
        server.serve()
    return 0


def load_model(options: Any) -> Model:
    if np is None:
        raise loading.CannotLoad("its environment has no numpy")
    warnings.showwarning = lambda message, category, *_, **__: log("%s: %s" % (category.__name__, message))
    sys.path.extend(options.spec.get("modules") or [])  # last: nothing of a run takes the place of a package
    model = Model(loading.load_model(options.model))
    wanted, there = options.spec.get("framework_version"), model.described["versions"].get("sklearn")
    if options.framework == "ScikitLearn" and wanted and there not in (None, wanted):
        log("the model is registered for scikit-learn %s and served with %s" % (wanted, there))
    return model


def load_script(options: Any) -> Script:
    return Script(options.script, options.spec.get("call_seconds") or CALL_SECONDS)


def drain_on_sigterm(server: Server) -> None:
    """By the pipe, too: Python's handlers wait until the main thread is back from what it does in C."""
    signal.signal(signal.SIGTERM, server.drain)
    signal.set_wakeup_fd(server.tell)


def work_and_serve(script: Any, server: Server) -> None:
    """Serve beside, and work here: this is the thread that has imported the script."""

    def serve() -> None:
        server.serve()
        script.end()

    threading.Thread(target=serve).start()
    script.work()


if TYPE_CHECKING:
    import numpy as np

    from models_registry.serving import entry_script, protocol, sockets
    from models_registry.serving import model_answer as answers
    from models_registry.serving import model_description as description
    from models_registry.serving import model_loading as loading
    from models_registry.serving import worker_process as process

if __name__ == "__main__":
    log_file = os.dup(2)
    try:
        import numpy as np
    except ImportError:
        np = None  # type: ignore[assignment]
    # The bytecode of packages is kept, as a script's imports keep it: without it scikit-learn takes three times as long.
    # That of the portal is not: this may be a Python of another age.
    sys.dont_write_bytecode = True
    process, protocol, sockets = _beside("worker_process"), _beside("protocol"), _beside("sockets")
    description, loading = _beside("model_description"), _beside("model_loading")
    answers = _beside("model_answer") if np is not None else None
    entry_script = _beside("entry_script")
    entry_script.entry_request = _beside("entry_request")
    sys.dont_write_bytecode = False
    try:
        code = main()
    except MemoryError:
        log("out of memory while loading")
        code = EXIT_OUT_OF_MEMORY
    # Not sys.exit: threads and exit handlers of the model's libraries have no say in when this process ends.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # a script has closed it
    os._exit(code)
