"""The client's figures: what an import costs, and how long a submit of a large folder takes whose files the portal knows.

    python -m benchmarks.sdk

Both are measured in a fresh process each time, as a script or a command meets them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, report
from mlportal.demo.process import OwnPortal

SDK = Path(__file__).resolve().parent.parent / "sdk"
IMPORTS = 21
SUBMITS = 7
FILES = 2000  # the most that a snapshot has by default
ENVIRONMENT = "dependencies:\n  - python\n"
IMPORT = """import time
began = time.perf_counter()
import azureml.core
print(time.perf_counter() - began)
"""
SUBMIT = """import sys, time
began = time.perf_counter()
from mlportal_sdk.client import Client
workspace = Client.from_environment().workspace("default")
snapshot = workspace.snapshot(sys.argv[1])
environment = {"name": "bench-sdk", "version": 1}
workspace.post("runs/", {"experiment": "bench-sdk", "snapshot": snapshot["uid"], "environment": environment,
                         "script": "script.py"})
print(time.perf_counter() - began)
"""


def main() -> int:
    say(f"{IMPORTS} imports of azureml.core")
    variables = {**os.environ, "PYTHONPATH": str(SDK)}
    seconds = [timed(IMPORT, variables) for _ in range(IMPORTS)][1:]  # the first one compiles
    figures = [
        Figure("import_azureml_core", statistics.median(seconds) * 1000, 60, "ms", note=f"median of {IMPORTS - 1}")
    ]
    with OwnPortal() as portal, tempfile.TemporaryDirectory() as folder:
        figures += submits(portal, Path(folder))
    return report("sdk", figures)


def submits(portal: OwnPortal, folder: Path) -> list[Figure]:
    variables = {
        **os.environ,
        "PYTHONPATH": str(SDK),
        "MLPORTAL_URL": portal.url,
        "MLPORTAL_TOKEN": portal.token(),
    }
    lay_out(folder)
    say(f"a first upload of {FILES} files")
    make_environment(variables)
    first = timed(SUBMIT, variables, str(folder))
    say(f"it took {first:.2f} s; {SUBMITS} submits of the same files")
    seconds = [timed(SUBMIT, variables, str(folder)) for _ in range(SUBMITS)]
    note = f"median of {SUBMITS}, longest {max(seconds):.2f} s; the first one, with all bytes, took {first:.2f} s"
    return [Figure("submit_2000_known_files", statistics.median(seconds), 1.0, "s", note=note)]


def lay_out(folder: Path) -> None:
    """A script, and small files in a hundred folders; no two alike."""
    (folder / "script.py").write_text("print(1)\n")
    for number in range(FILES - 1):
        path = folder / f"package{number % 100}" / f"module{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"NUMBER = {number}\n" * 50)


def make_environment(variables: dict[str, str]) -> None:
    code = f"""from mlportal_sdk.client import Client
workspace = Client.from_environment().workspace("default")
workspace.post("environments/", {{"name": "bench-sdk", "definition": {ENVIRONMENT!r}}})
print(0)
"""
    timed(code, variables)


def timed(code: str, variables: dict[str, str], *arguments: str) -> float:
    """What the code prints last, run by a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=variables, stdout=subprocess.PIPE, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
