"""A person's entry script as a model worker runs it: `init()` once, `run(…)` for each request. Python 3.6, stdlib only.

It is called as Azure's inference server calls it. A plain `run` gets the body as text; one that inference-schema has
decorated gets the fields of the JSON object by name; under `@rawhttp` it gets the request. All of the script, its import
included, runs in one thread: libraries keep things there that they look for again.
"""

import importlib.util
import inspect
import json
import os
import queue
import sys
import threading
import traceback
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import entry_request, process

MESSAGE_CHARACTERS = 2000
RAW_HTTP = ("azureml.contrib.services.aml_request", "azureml_inference_server_http.api.aml_request")
# Azure's environments had this one without being asked for it.
MISSING = {"inference_schema": "inference-schema[numpy-support,pandas-support]"}


class CannotStart(Exception):
    """The script cannot be used; the message says why, for a person."""


class Refused(Exception):
    """The request is not what the script takes."""


class Failed(Exception):
    """The script raised, or answered with what cannot be sent."""


class Script(object):
    """An imported entry script whose `init()` has returned. Raises CannotStart."""

    methods = ["run"]

    def __init__(self, path: str, folder: str) -> None:
        self.name = os.path.relpath(path, folder)
        self.process = os.getpid()
        self._calls: queue.Queue[Optional[Call]] = queue.Queue()
        module = self._guarded("its import", lambda: _import(path, folder))
        init = getattr(module, "init", None)
        # What Azure's tools generate in front of a script calls it without the names that decorators need.
        behind = getattr(module, "driver_module", None)
        self.run: Any = getattr(behind, "run", None) or getattr(module, "run", None)
        if not callable(init) or not callable(self.run):
            missing = " and no ".join(name for name, it in (("init", init), ("run", self.run)) if not callable(it))
            raise CannotStart("%s has no function %s" % (self.name, missing))
        self._guarded("init()", init)
        self._look_at_run()

    def _guarded(self, what: str, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except MemoryError:
            raise
        except BaseException as error:  # sys.exit() too: it is the script's, not ours
            process.log(_traced(error))
            raise CannotStart("%s failed: %s%s" % (what, _told(error), _hint(error))) from None

    def _look_at_run(self) -> None:
        try:
            self.parameters = dict(inspect.signature(self.run).parameters)
        except (TypeError, ValueError) as error:
            raise CannotStart("run cannot be called: %s" % error) from None
        self.wants_headers = self.parameters.pop("request_headers", None) is not None
        if not self.parameters:
            raise CannotStart("run() takes no argument; it is given the body of a request")
        self.is_raw = any(getattr(sys.modules.get(name), "_rawHttpRequested", False) for name in RAW_HTTP)
        schemas = _schemas(self.run)
        if self.is_raw and schemas is not None:
            raise CannotStart("run is decorated with both @rawhttp and @input_schema")
        self.is_decorated = schemas is not None
        self.code = getattr(inspect.unwrap(self.run), "__code__", None)
        self.described = {"schema": schemas or {}, "sample": ((schemas or {}).get("input") or {}).get("example")}

    def work(self) -> None:
        """Answer calls, in the thread that imported the script, until `end`."""
        while True:
            call = self._calls.get()
            if call is None:
                return
            try:
                call.answer = self._answer(*call.request)
            except Exception as error:
                call.error = error
            call.done.set()

    def end(self) -> None:
        self._calls.put(None)

    def call(self, meta: Dict[str, Any], body: bytes) -> Tuple[Dict[str, Any], bytes]:
        """({"status", "headers"}, body) of the answer. From any thread. Raises Refused, Failed, MemoryError."""
        call = Call((meta, body))
        self._calls.put(call)
        call.done.wait()
        if call.error is not None:
            raise call.error
        return call.answer

    def _answer(self, meta: Dict[str, Any], body: bytes) -> Tuple[Dict[str, Any], bytes]:
        positional, named = self._arguments(meta, body)
        result = self._called(positional, named)
        try:
            return _written(result)
        except (TypeError, ValueError, RecursionError) as error:
            said = "what run returned is no JSON (%s): return lists, dicts, texts and numbers" % _told(error)
            process.log(said)
            raise Failed(said) from None

    def _called(self, positional: List[Any], named: Dict[str, Any]) -> Any:
        try:
            return self.run(*positional, **named)
        except MemoryError:
            raise
        except BaseException as error:  # sys.exit() too
            self._leave_if_forked()
            process.log(_traced(error))
            if self.is_decorated and isinstance(error, Exception) and not self._was_in_run(error):
                raise Refused(_told(error)) from None  # the decorators could not make of it what run takes
            raise Failed(_told(error)) from None
        finally:
            self._leave_if_forked()

    def _leave_if_forked(self) -> None:
        """A child that the script forked has come back from `run`: it is not the one who answers."""
        if os.getpid() != self.process:
            os._exit(0)

    def _was_in_run(self, error: BaseException) -> bool:
        return any(frame.f_code is self.code for frame, _ in traceback.walk_tb(error.__traceback__))

    def _arguments(self, meta: Dict[str, Any], body: bytes) -> Tuple[List[Any], Dict[str, Any]]:
        named: Dict[str, Any] = {}
        if self.wants_headers:
            named["request_headers"] = entry_request.Headers(meta["headers"])
        if self.is_raw:
            return [entry_request.Request(meta, body)], named
        if not self.is_decorated:
            try:
                return [body.decode("utf-8")], named
            except UnicodeDecodeError as error:
                raise Refused("the body is not text in UTF-8: %s" % error) from None
        values = _json_object(body, list(self.parameters))
        for name, parameter in self.parameters.items():
            # A default is passed, too: the decorators look for each of their names.
            named[name] = values.get(name, parameter.default)
            if named[name] is inspect.Parameter.empty:
                expected = ", ".join(self.parameters)
                raise Refused("the body has no field %s; it is a JSON object with %s" % (name, expected))
        return [], named


class Call(object):
    def __init__(self, request: Tuple[Dict[str, Any], bytes]) -> None:
        self.request = request
        self.done = threading.Event()
        self.answer: Tuple[Dict[str, Any], bytes] = ({}, b"")
        self.error: Optional[Exception] = None


def _import(path: str, folder: str) -> Any:
    """The script as a module, under the name that Azure's server gives it."""
    places = [folder, os.path.dirname(path)] + os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[0:0] = [place for place in dict.fromkeys(places) if place]
    sys.argv = [path]
    spec = importlib.util.spec_from_file_location("entry_module", path)
    if spec is None or spec.loader is None:
        raise ImportError("%s is not a Python file" % os.path.basename(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_module"] = module
    spec.loader.exec_module(module)
    return module


def _schemas(run: Any) -> Optional[Dict[str, Any]]:
    """{"input", "output"} as inference-schema describes a decorated `run`; None for any other."""
    util = sys.modules.get("inference_schema.schema_util")
    if util is None:
        return None
    found = {"input": util.get_input_schema(run), "output": util.get_output_schema(run)}
    if found["input"] == found["output"] == {"type": "object"}:  # what it says of functions that it does not know
        return None
    return json.loads(json.dumps(found, default=_plain))  # type: ignore[no-any-return]


def _json_object(body: bytes, expected: List[str]) -> Dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"))
    except ValueError as error:
        raise Refused("the body is not JSON: %s" % error) from None
    if not isinstance(value, dict):
        raise Refused("the body is a JSON object with %s" % ", ".join(expected))
    return value


def _written(result: Any) -> Tuple[Dict[str, Any], bytes]:
    """An AMLResponse (or Flask's) as it is; anything else as JSON."""
    if hasattr(result, "status_code") and hasattr(result, "get_data"):
        body = result.get_data()
        body = body.encode("utf-8") if isinstance(body, str) else bytes(body)
        headers = {str(name): str(value) for name, value in result.headers.items()}
        return {"status": int(result.status_code), "headers": headers}, body
    text = json.dumps(result, default=_plain)
    return {"status": 200, "headers": {"content-type": "application/json"}}, text.encode("utf-8")


def _plain(value: Any) -> Any:
    """Arrays and numpy's numbers as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def _traced(error: BaseException) -> str:
    """The traceback from the script on: what is above it is the portal's and Python's own."""
    below = error.__traceback__
    while below is not None and below.tb_frame.f_code.co_filename.startswith((__file__, "<frozen importlib")):
        below = below.tb_next
    return "".join(traceback.format_exception(type(error), error, below))


def _told(error: BaseException) -> str:
    try:
        return ("%s: %s" % (type(error).__name__, error))[:MESSAGE_CHARACTERS]
    except Exception:
        return type(error).__name__


def _hint(error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    module, below, _ = error.name.partition(".")
    if below and module in sys.modules:
        return " (%s is there, but without this module: the script or the model was made with another version)" % module
    return " (its environment lacks the package %s)" % MISSING.get(module, module)
