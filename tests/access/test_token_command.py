"""`manage.py token`, as a script calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def token(home: Path, user: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "token", user],
        cwd=ROOT,
        env={**os.environ, "MLPORTAL_HOME": str(home), **variables},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "There is no portal in {home} yet. Start it once with `make run`"),
        ({"DATABASE_URL": "postgres://me:hunter2@127.0.0.1:1/portal"}, "The database does not answer: "),
    ],
)
def test_without_a_portal_it_says_what_to_do(tmp_path: Path, variables: dict[str, str], says: str) -> None:
    done = token(tmp_path, "admin", **variables)
    assert (done.returncode, done.stdout) == (1, "")
    assert says.format(home=tmp_path) in done.stderr
    assert "Traceback" not in done.stderr and "hunter2" not in done.stderr


def test_the_token_stands_alone_on_the_last_line(tmp_path: Path) -> None:
    variables = {**os.environ, "MLPORTAL_HOME": str(tmp_path)}
    make = (
        "import django; django.setup()\n"
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "from mlportal.access.services import create_administrator; create_administrator('admin', 'a long enough one')"
    )
    variables["DJANGO_SETTINGS_MODULE"] = "mlportal.settings"
    subprocess.run([sys.executable, "-c", make], cwd=ROOT, env=variables, check=True)
    done = token(tmp_path, "admin")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("mlp_")
    done = token(tmp_path, "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no active user named 'nobody'." in done.stderr
