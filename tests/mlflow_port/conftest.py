"""Folders as MLflow's file store writes them, by hand, so that they can be spoiled; and the command, in this process."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from mlportal.access.models import Workspace

RUN = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
MODEL = f"m-{RUN}"


class Mlruns:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.meta("7", name="churn", experiment_id="7", creation_time=1_600_000_000_000, lifecycle_stage="active")

    def write(self, path: str, data: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        return file

    def meta(self, place: str, **said: Any) -> None:
        self.write(f"{place}/meta.yaml", yaml.safe_dump(said))

    def run(self, uid: str = RUN, **more: Any) -> str:
        """Where it is."""
        said = {
            "run_id": uid,
            "run_name": "first",
            "status": 3,
            "start_time": 1_600_000_000_000,
            "end_time": 1_600_000_001_000,
            "lifecycle_stage": "active",
            "artifact_uri": f"file:///gone/mlruns/7/{uid}/artifacts",
        }
        self.meta(f"7/{uid}", **{**said, **more})
        return f"7/{uid}"

    def logged_model(self, uid: str = MODEL, **more: Any) -> str:
        said = {"model_id": uid, "name": "m", "status": 2, "creation_timestamp": 1, "last_updated_timestamp": 1}
        self.meta(f"7/models/{uid}", **{**said, "source_run_id": None, **more})
        return f"7/models/{uid}"

    def version(self, number: int, *, name: str = "Iris", **more: Any) -> str:
        if not (self.root / "models" / name / "meta.yaml").exists():
            self.meta(f"models/{name}", name=name, creation_timestamp=1, last_updated_timestamp=1)
        said = {
            "name": name,
            "version": number,
            "status": "READY",
            "current_stage": "None",
            "creation_timestamp": number,
        }
        self.meta(f"models/{name}/version-{number}", **{**said, **more})
        return f"models/{name}/version-{number}"


@pytest.fixture
def mlruns(tmp_path: Path) -> Mlruns:
    return Mlruns(tmp_path / "mlruns")


Command = Callable[..., tuple[str, str]]


@pytest.fixture
def command(workspace: Workspace) -> Command:
    """Runs it for the workspace `lab`; what it writes, and the error that it ends with, "" for none."""

    def run(name: str, where: object, *words: str) -> tuple[str, str]:
        out = io.StringIO()
        try:
            call_command(name, str(where), "--workspace", workspace.name, *words, stdout=out)
        except CommandError as error:
            return out.getvalue(), str(error)
        return out.getvalue(), ""

    return run
