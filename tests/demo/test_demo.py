"""`make demo`: the article comes true on a bare portal, and what is changed of it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlportal.demo.client import Client
from mlportal.demo.files import EXAMPLE, PYTHONS_OF_THE_NAMES, SCRIPT, prepare

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_article_ends_in_the_right_class_and_leaves_nothing_behind() -> None:
    tmp_path = Path(tempfile.mkdtemp(prefix="demo-"))  # pytest's own is too long for the path of a Unix socket
    done = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    for phase in ("Preparing", "Scaling", "Running", "Post-processing"):
        assert f"   {phase:<16}" in told
    assert "0.9736842105263158" in told
    assert "Class 0: a petal of 1.4 by 0.2 cm belongs to setosa." in told
    assert not list(tmp_path.glob("mlportal-demo-*"))
    shutil.rmtree(tmp_path)


class Machine(Client):
    """Stands in for a portal on a machine that has only the Pythons which `fits` accepts: this one has others."""

    def __init__(self, fits: str) -> None:
        super().__init__("", "")
        self.fits = fits

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        assert path == "environments/check/"
        assert body is not None
        there = self.fits in body["definition"]
        errors = [] if there else [{"message": "it is not there", "line": None, "key": "python"}]
        return {"interpreter": {"version": "3.x"} if there else None, "notes": [], "errors": errors}


def test_with_the_articles_python_nothing_is_changed() -> None:
    prepared = prepare(Machine("python=3.6.2"))
    assert (prepared.script, prepared.definition) == (
        (EXAMPLE / SCRIPT).read_text(),
        (EXAMPLE / "sklearn-env.yml").read_text(),
    )
    assert str(prepared.as_of) == "2020-07-24"
    assert prepared.remarks == []


def test_without_it_the_file_has_a_range_and_the_script_stays() -> None:
    prepared = prepare(Machine("<3.12"))
    assert prepared.script == (EXAMPLE / SCRIPT).read_text()
    assert PYTHONS_OF_THE_NAMES in prepared.definition
    assert "3.6.2" not in prepared.definition
    assert "np.float" in prepared.remarks[-1]


def test_only_where_no_python_is_old_enough_the_two_names_are_replaced_and_told() -> None:
    prepared = prepare(Machine(">=3.12"))
    assert "np.float" not in prepared.script
    assert "np.str" not in prepared.script
    assert 'run.log("Accuracy", float(accuracy))' in prepared.script
    assert prepared.as_of is None
    assert "writes float and str there" in prepared.remarks[-1]
