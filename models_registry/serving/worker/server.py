"""The server of a Unix socket that asks a model one call after the other. Python 3.6, standard library only."""

import collections
import os
import selectors
import signal
import socket
import threading
import time
from typing import Any, Deque, Dict, List, Optional, Set, Tuple

from . import overdue, process, protocol, sockets

EXIT_OUT_OF_MEMORY = 5
SHORT_SECONDS = 0.0005
READ_BYTES, PEEK_BYTES = 1 << 17, 1 << 10


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


class Patience(object):
    """Waits for what comes next. A processor that sleeps may need longer to wake than a small model to answer. So, while
    requests follow each other quickly, this asks again and again for a moment before it sleeps, as the kernel's halt
    polling does, and leaves the processor to whoever wants it.
    """

    def __init__(self, selector: Any) -> None:
        self.selector = selector
        self.is_short = False
        self.asks = (os.cpu_count() or 1) > 1

    def wait(self) -> Any:
        """As `select`."""
        began = time.perf_counter()
        if self.is_short:
            while time.perf_counter() - began < SHORT_SECONDS:
                found = self.selector.select(0)
                if found:
                    return found
                os.sched_yield()
        found = self.selector.select()
        self.is_short = self.asks and time.perf_counter() - began < SHORT_SECONDS
        return found


class Server(object):
    """One thread reads requests, calls the model and sends the answers: the model does one call at a time anyway, and to
    hand something over to another thread of Python may take milliseconds. Another thread takes new connections, answers
    those that ask for health or description, also while the model works, and leaves all others to the first.
    """

    def __init__(self, model: Any, path: str, max_body: int, call_seconds: float) -> None:
        self.model = model
        self.overdue = overdue.Overdue(call_seconds)
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
            patience = Patience(selector)
            while here or self.left or not self.closed:
                for key, events in patience.wait():
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
                found = selector.select(self.overdue.look_seconds)
                self.overdue.look()
                for key, _ in found:
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
        process.log("stopping")
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
                process.log("a connection is closed: %s" % error)
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
        self.overdue.since = time.monotonic()
        try:
            return [self.model.respond(number, method, request.payload)]
        except MemoryError:
            process.log("out of memory in %s" % method)
            os._exit(EXIT_OUT_OF_MEMORY)
        finally:
            self.overdue.since = 0.0


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
