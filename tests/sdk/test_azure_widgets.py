"""`RunDetails(run).show()` in a real Jupyter kernel: a view that goes on by itself, and shows nothing as HTML that is text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.conftest import REPOSITORY, Notebook

pytestmark = pytest.mark.slow

# In an environment of its own: 77 MB that nothing else of the tests needs.
PACKAGES = ("nbclient==0.11.0", "ipykernel==7.4.0", "nbformat==5.10.4")
EXECUTE = """
import json, sys, nbformat
from nbclient import NotebookClient
cells = [nbformat.v4.new_code_cell(source) for source in json.load(open("cells.json"))]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""
TRAIN = """\
import time
from azureml.core import Run
run = Run.get_context()
for step in range(10):
    run.log("loss <b>", 1 / (step + 1))
    print("<script>alert(1)</script> step", step, flush=True)
    time.sleep(0.2)
"""
HEAD = """
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.widgets import RunDetails
ws = Workspace.from_config()
def submit(script):
    config = ScriptRunConfig("code", script=script, environment=Environment.get(ws, "AzureML-Minimal"))
    return Experiment(ws, "widget").submit(config, display_name="<i>mine</i>")
"""


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with a kernel, made anew from uv's cache."""
    uv = REPOSITORY / ".venv" / "bin" / "uv"
    command = str(uv) if uv.exists() else shutil.which("uv")
    if command is None:
        pytest.skip("uv is not installed")
    folder = tmp_path_factory.mktemp("jupyter") / "venv"
    subprocess.run([command, "venv", "--quiet", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([command, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
    return python


def run_cells(jupyter: str, notebook: Notebook, *cells: str) -> list[list[dict[str, Any]]]:
    """The outputs of each cell, as a browser has them at the end."""
    notebook.write("cells.json", json.dumps([HEAD, *cells]))
    notebook.write("execute.py", EXECUTE)
    done = subprocess.run(
        [jupyter, "execute.py"],
        cwd=notebook.folder,
        env=notebook.environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs: list[list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return outputs[1:]


def test_the_view_of_a_run_goes_on_until_the_run_is_final(jupyter: str, notebook: Notebook) -> None:
    notebook.write("code/train.py", TRAIN)
    shown, _, again, row = run_cells(
        jupyter,
        notebook,
        "import time\nrun = submit('train.py')\nbegun = time.time()\nRunDetails(run).show()\nprint(time.time() - begun)",
        "run.wait_for_completion()\ntime.sleep(2)",
        "RunDetails(run).show()",
        "run",
    )
    view = shown[0]["data"]["text/html"]
    assert float(shown[1]["text"]) < 2  # the notebook does not wait for it
    assert 'data-status="Completed"' in view
    assert "✓ Running" in view
    assert "&lt;script&gt;alert(1)&lt;/script&gt; step 9" in view
    assert "step 0\n" in view
    assert "loss &lt;b&gt;" in view
    (points,) = re.findall(r'<polyline[^>]* points="([^"]*)"', view)
    assert len(points.split()) == 10
    assert "<b>&lt;i&gt;mine&lt;/i&gt;</b>" in view
    assert not re.search("<script|<i>|<b>loss <b>", view)
    assert "azureml.scriptrun" in row[0]["data"]["text/html"]
    # a run that is final is shown whole at once
    assert again[0]["data"]["text/html"].count("step") == view.count("step")
    assert "<polyline" in again[0]["data"]["text/html"]


def test_a_failure_is_shown(jupyter: str, notebook: Notebook) -> None:
    notebook.write("code/fail.py", "raise ValueError('<no data>')\n")
    (shown, _) = run_cells(
        jupyter,
        notebook,
        "run = submit('fail.py')\nRunDetails(run).show()",
        "import time\nrun.wait_for_completion(raise_on_error=False)\ntime.sleep(2)",
    )
    view = shown[0]["data"]["text/html"]
    assert 'data-status="Failed"' in view
    assert "ValueError: &lt;no data&gt;" in view


def test_outside_of_jupyter_the_address_is_printed(notebook: Notebook, tmp_path: Path) -> None:
    url = notebook("""
from azureml.widgets import RunDetails
run = Experiment(ws, "terminal").start_logging(snapshot_directory=None)
RunDetails(run).show()
run.complete()
result = run.get_portal_url()
""")
    assert re.search(rf"^Run [0-9a-f]{{32}}: {re.escape(url)}$", notebook.printed, re.MULTILINE)
