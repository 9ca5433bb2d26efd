"""A replica: loads one model in the model's own environment and answers on a Unix socket. Python 3.6 and up.

    python -I -u model_worker.py --socket S --model PATH --framework ScikitLearn --spec '{"memory_bytes": …}'

Needs numpy and what the model needs. Says on standard error what happens (the supervisor keeps it as the log). Exits 0
after SIGTERM, when what it was working on is answered; 3 when the model cannot be loaded; 4 when the socket cannot be
made; 5 when memory ran out. The last line of the log then says why.

`--spec` is JSON: "parent" (pid that this process shall not outlive), "memory_bytes", "open_files", "file_bytes",
"max_body_bytes", "framework_version". All may be missing.
"""

import argparse
import ctypes
import importlib.util
import json
import os
import pickle
import resource
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Dict

EXIT_NOT_LOADED, EXIT_NO_SOCKET, EXIT_OUT_OF_MEMORY = 3, 4, 5
PR_SET_PDEATHSIG = 1
# What import names are called on the package index, where that differs.
PACKAGE_NAMES = {"sklearn": "scikit-learn", "skimage": "scikit-image", "cv2": "opencv-python", "PIL": "pillow"}


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
    try:
        sys.stderr.write("%s %s\n" % (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text))
        sys.stderr.flush()
    except OSError:
        pass  # the log has reached its limit: serving goes on


class CannotLoad(Exception):
    """The model cannot be loaded; the message says why, for a person."""


def load_model(path: str) -> Any:
    """The model in the file at `path`. joblib reads plain pickles too, and is what the inspection follows."""
    try:
        try:
            import joblib
        except ImportError:
            with open(path, "rb") as file:
                return pickle.load(file)
        return joblib.load(path)
    except ModuleNotFoundError as error:
        missing = (error.name or str(error)).split(".")[0]
        if missing == (error.name or ""):
            package = PACKAGE_NAMES.get(missing, missing)
            raise CannotLoad("it needs the package %s, which its environment does not have" % package) from None
        raise CannotLoad("its environment has another version of %s: %s" % (missing, error)) from None
    except MemoryError:
        raise
    except AttributeError as error:
        if "__main__" in str(error) or "__mp_main__" in str(error):
            hint = "what the training script itself defines is not found here: put it into a package of the environment"
        else:
            hint = "usually another version of a package than the model was saved with"
        raise CannotLoad("AttributeError: %s (%s)" % (error, hint)) from None
    except Exception as error:
        raise CannotLoad("%s: %s" % (type(error).__name__, error)) from error


class Model(object):
    """A loaded model, called with what came over the socket."""

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
        self.described = description.describe(model)
        self._try_example()

    def _try_example(self) -> None:
        """Leave the example out if the model does not take it; otherwise the first real call finds it warm."""
        rows = self.described["example"]
        if rows is None or not self.methods:
            return
        try:
            self.call(self.methods[0], {"rows": rows})
        except Exception as error:
            log("no example request: the model does not take %s (%s)" % (rows, error))
            self.described["example"] = None

    def call(self, method: str, payload: Any) -> Any:
        """The answer of `method` to `payload`: an array, or {"rows": [[…]]} whose items may be of mixed types.

        Returns a numeric array, or a JSON value for anything else.
        """
        return _answer(getattr(self.model, method)(self._input(payload)))

    def _input(self, payload: Any) -> Any:
        if isinstance(payload, np.ndarray):
            if self.pandas is not None and self.frames_numbers and payload.ndim == 2:
                return self.pandas.DataFrame(payload, columns=self._columns(payload.shape[1]))
            return payload
        rows = payload["rows"]
        if rows and not isinstance(rows[0], list):
            return rows  # one text per row, as a vectorizer takes them
        if self.pandas is not None:
            return self.pandas.DataFrame(rows, columns=self._columns(len(rows[0])))
        array = np.empty((len(rows), len(rows[0])), dtype=object)
        array[:] = rows
        return array

    def _columns(self, width: int) -> Any:
        return self.names if self.names is not None and width == len(self.names) else None


def _answer(result: Any) -> Any:
    if isinstance(result, (list, tuple)):
        return [item.tolist() if hasattr(item, "tolist") else item for item in result]
    if hasattr(result, "toarray"):
        result = result.toarray()
    array = np.atleast_1d(result)
    if array.dtype.newbyteorder("<") in protocol.CODES:
        return array
    if array.dtype.kind == "f":
        return array.astype("<f8")
    return array.astype(str).tolist() if array.dtype.kind in "mMc" else array.tolist()


class Server(object):
    """Accepts connections; each has a thread that reads a request, answers it, and reads the next.

    One call at a time reaches the model. Health and description are answered beside it.
    """

    def __init__(self, model: Model, path: str, max_body: int) -> None:
        self.model = model
        self.max_body = max_body
        self.lock = threading.Lock()
        self.connections: Dict[socket.socket, threading.Thread] = {}
        self.draining = False
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        os.chmod(path, 0o600)
        self.listener.listen(128)

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, self._drain)
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                break
            thread = threading.Thread(target=self._talk, args=(connection,))
            self.connections[connection] = thread
            thread.start()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RD)  # requests that have arrived are still read, new ones are refused
            except OSError:
                pass
        for thread in list(self.connections.values()):
            thread.join()

    def _drain(self, *_: Any) -> None:
        if self.draining:
            return
        self.draining = True
        log("stopping")
        # Closing does not end an accept in progress; shutting down does.
        self.listener.shutdown(socket.SHUT_RDWR)

    def _talk(self, connection: socket.socket) -> None:
        decoder = protocol.Decoder(self.max_body)
        try:
            while True:
                data = connection.recv(1 << 18)
                if not data:
                    return
                for request in decoder.feed(data):
                    connection.sendall(self._respond(request))
        except OSError:
            pass  # the gateway went away; it knows why
        except protocol.ProtocolError as error:
            log("a connection is closed: %s" % error)
        finally:
            self.connections.pop(connection, None)
            connection.close()

    def _respond(self, request: Any) -> bytes:
        number, method = request.request_id, request.name
        encode_error = protocol.encode_error
        if method == "health":
            return protocol.encode(number, method, {"ready": not self.draining, "peak_memory_bytes": peak_memory()})
        if method == "describe":
            return protocol.encode(number, method, self.model.described)
        if method not in self.model.methods:
            return encode_error(
                number, "no_method", "the model has no method %s, only %s" % (method, self.model.methods)
            )
        try:
            with self.lock, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return protocol.encode(number, method, self.model.call(method, request.payload))
        except MemoryError:
            log("out of memory in %s" % method)
            os._exit(EXIT_OUT_OF_MEMORY)
        except (ValueError, KeyError, IndexError) as error:
            return encode_error(number, "bad_input", str(error))
        except TypeError as error:
            # scikit-learn answers TypeError to text where numbers belong, and to its own faults too.
            code = "bad_input" if "convert" in str(error) or "must be" in str(error) else "model_error"
            return encode_error(number, code, "TypeError: %s" % error)
        except Exception as error:
            log(traceback.format_exc())
            return encode_error(number, "model_error", "%s: %s" % (type(error).__name__, error))


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tie_to_parent(parent: int) -> None:
    """Make the kernel end this process when `parent` (or the thread of it that started us) ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")


def limit(spec: Dict[str, Any]) -> None:
    for name, key in (
        # Private memory that can be written. RLIMIT_AS would also count address space that libraries only reserve.
        ("memory_bytes", resource.RLIMIT_DATA),
        ("open_files", resource.RLIMIT_NOFILE),
        ("file_bytes", resource.RLIMIT_FSIZE),
    ):
        if spec.get(name):
            resource.setrlimit(key, (spec[name], spec[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--framework", default="ScikitLearn")
    parser.add_argument("--spec", default="{}", type=json.loads)
    options = parser.parse_args()
    if options.spec.get("parent"):
        tie_to_parent(options.spec["parent"])
    limit(options.spec)
    warnings.showwarning = lambda message, category, *_, **__: log("%s: %s" % (category.__name__, message))
    log("loading %s with Python %s" % (os.path.basename(options.model), sys.version.split()[0]))
    started = time.time()
    try:
        model = Model(load_model(options.model))
    except CannotLoad as error:
        log("the model cannot be loaded: %s" % error)
        return EXIT_NOT_LOADED
    versions = model.described["versions"]
    wanted = options.spec.get("framework_version")
    if options.framework == "ScikitLearn" and wanted and versions.get("sklearn") not in (None, wanted):
        log("the model is registered for scikit-learn %s and served with %s" % (wanted, versions["sklearn"]))
    try:
        server = Server(model, options.socket, options.spec.get("max_body_bytes") or protocol.DEFAULT_MAX_BODY)
    except OSError as error:
        log("the socket %s cannot be made: %s" % (options.socket, error))
        return EXIT_NO_SOCKET
    log("ready after %.2f s: %s, %s" % (time.time() - started, model.described["class"], versions))
    server.serve()
    return 0


if TYPE_CHECKING:
    import numpy as np

    from models_registry.serving import model_description as description
    from models_registry.serving import protocol

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    try:
        import numpy as np
    except ImportError:
        log("the model cannot be loaded: its environment has no numpy")
        sys.exit(EXIT_NOT_LOADED)
    protocol = _beside("protocol")
    description = _beside("model_description")
    try:
        code = main()
    except MemoryError:
        log("out of memory while loading the model")
        code = EXIT_OUT_OF_MEMORY
    # Not sys.exit: threads and exit handlers of the model's libraries have no say in when this process ends.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
