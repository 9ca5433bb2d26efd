"""Tests of other files, once more on a database of a server."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import TEMPLATE
from tests.portal import ROOT
from tests.services.conftest import TABLES


def run_on(url: str, *tests: str) -> str:
    """What these tests print on the database at `url`; fails when one of them does."""
    variables = {**os.environ, "DATABASE_URL": url, "PYTEST_ADDOPTS": "", TEMPLATE: TABLES}
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--durations=0"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
