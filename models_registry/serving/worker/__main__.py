"""A replica: loads one model in the model's own environment and answers on a Unix socket. Python 3.6 and up.

    python -I -u …/worker/__main__.py --socket S --model PATH --framework ScikitLearn --spec '{"memory_bytes": …}'
    python -I -u …/worker/__main__.py --socket S --script PATH --spec '{"call_seconds": …}'

The second form runs an entry script (see entry_script.py), in the folder of its snapshot. The first needs numpy and what
the model needs. Says on standard error what happens (the supervisor keeps it as the log). Exits 0
after SIGTERM, when what it was working on is answered; 3 when the model cannot be loaded; 4 when the socket cannot be
made; 5 when memory ran out; 6 when a call did not return. The last line of the log then says why.

`--spec` is JSON: "parent" (pid that this process shall not outlive), "memory_bytes", "open_files", "file_bytes",
"max_body_bytes", "framework_version", "modules" (folders of Python modules that the model may need), "call_seconds"
(after which a call ends this process). All may be missing.
"""

import importlib.util
import os
import sys
from typing import Any

NAME = "mlportal_worker"


def package() -> Any:
    """This folder as a package of a name of its own. `-I` keeps it off the path, where its names could shadow others."""
    folder = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(folder, "__init__.py")
    spec = importlib.util.spec_from_file_location(NAME, path, submodule_search_locations=[folder])
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return importlib.import_module(NAME + ".start")


if __name__ == "__main__":
    # The bytecode of packages is kept, as a script's imports keep it: without it scikit-learn takes three times as long.
    # That of the portal is not: this may be a Python of another age.
    try:
        import numpy  # noqa: F401
    except ImportError:
        pass  # an entry script needs none
    sys.dont_write_bytecode = True
    start = package()
    sys.dont_write_bytecode = False
    start.run()
