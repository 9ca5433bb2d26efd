"""docs/api.md is one shell session; it is run as it stands, against a real portal."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.portal import ROOT, Portal

pytestmark = [pytest.mark.slow]
PAGE = ROOT / "docs" / "api.md"
REFUSED = "?colour=red"  # the block about errors: curl fails, and what reads its answer succeeds


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_every_example_works(tmp_path: Path) -> None:
    assert len(blocks()) > 12
    session = "set -eu\n" + "".join(
        f"echo '=== block {number}'\n{'set +o' if REFUSED in block else 'set -o'} pipefail\n{block}\n"
        for number, block in enumerate(blocks())
    )
    with Portal(tmp_path / "home") as portal:
        variables = {**portal.variables, "PORTAL": portal.url}
        done = subprocess.run(
            ["bash", "-c", session], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=280
        )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert f"=== block {len(blocks()) - 1}" in done.stdout
