"""What a model worker does from its start to its end; __main__.py says how it is called. Python 3.6."""

import argparse
import faulthandler
import json
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any

from . import entry_script, loading, process, protocol
from .served_script import Script
from .server import EXIT_OUT_OF_MEMORY, Server

try:
    from .served_model import Model
except ImportError:  # there is no numpy: enough for an entry script
    Model = None  # type: ignore[assignment,misc]

EXIT_NOT_LOADED, EXIT_NO_SOCKET = 3, 4
CALL_SECONDS = 60.0


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
    process.log("loading %s with Python %s" % (os.path.basename(path), sys.version.split()[0]))
    started = time.time()
    try:
        served: Any = load_script(options) if options.script else load_model(options)
    except (entry_script.CannotStart, loading.CannotLoad) as error:
        if process.is_out_of_memory(error):
            raise MemoryError from None
        process.log(
            "%s: %s" % ("the entry script cannot be used" if options.script else "the model cannot be loaded", error)
        )
        return EXIT_NOT_LOADED
    try:
        server = Server(
            served,
            options.socket,
            options.spec.get("max_body_bytes") or protocol.DEFAULT_MAX_BODY,
            options.spec.get("call_seconds") or CALL_SECONDS,
        )
    except OSError as error:
        process.log("the socket %s cannot be made: %s" % (options.socket, error))
        return EXIT_NO_SOCKET
    drain_on_sigterm(server)
    process.log(
        "ready after %.2f s: %s, %s" % (time.time() - started, served.described["class"], served.described["versions"])
    )
    if options.script:
        work_and_serve(served.script, server)
    else:
        server.serve()
    return 0


def load_model(options: Any) -> Any:
    if Model is None:
        raise loading.CannotLoad("its environment has no numpy")
    warnings.showwarning = lambda message, category, *_, **__: process.log("%s: %s" % (category.__name__, message))
    sys.path.extend(options.spec.get("modules") or [])  # last: nothing of a run takes the place of a package
    model = Model(loading.load_model(options.model))
    wanted, there = options.spec.get("framework_version"), model.described["versions"].get("sklearn")
    if options.framework == "ScikitLearn" and wanted and there not in (None, wanted):
        process.log("the model is registered for scikit-learn %s and served with %s" % (wanted, there))
    return model


def load_script(options: Any) -> Script:
    return Script(options.script)


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


def run() -> None:
    """The whole life of the process."""
    process.keep_log()
    faulthandler.enable(file=process.log_file)
    try:
        code = main()
    except MemoryError:
        process.log("out of memory while loading")
        code = EXIT_OUT_OF_MEMORY
    # Not sys.exit: threads and exit handlers of the model's libraries have no say in when this process ends.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass  # a script has closed it
    os._exit(code)
