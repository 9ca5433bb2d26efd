"""Which MLflow is meant by what somebody typed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlportal.errors import BadInput
from mlportal.mlflow_port.connection import Connection
from mlportal.mlflow_port.database import MlflowDatabase
from mlportal.mlflow_port.folder import MlrunsFolder
from mlportal.mlflow_port.items import Source
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.server import MlflowServer

DATABASE: Final = "mlflow.db"  # what MLflow 3 calls it
SQLITE: Final = "sqlite:///"
OTHER_DATABASES: Final = ("postgresql", "mysql", "mssql", "oracle")


def source_of(words: str, artifacts: Sequence[str], report: Report) -> Source:
    """A server by its address, a database by its file or the folder that it is in, or a folder mlruns. BadInput, PortError."""
    if words.startswith(("http://", "https://")):
        return MlflowServer(Connection(words, os.environ), report)
    if urlsplit(words).scheme.partition("+")[0] in OTHER_DATABASES:
        raise BadInput(
            "A database of this kind is read by MLflow itself: start `mlflow server --backend-store-uri … --serve-artifacts"
            " --port 5000` where its artifacts are, and import from http://127.0.0.1:5000."
        )
    elsewhere = [Path(each).expanduser() for each in artifacts]
    path = Path(words.removeprefix(SQLITE).removeprefix("file://")).expanduser()
    for file in (path, path / DATABASE):
        if file.is_file():
            return MlflowDatabase(file, report, elsewhere)
    if not path.is_dir():
        raise BadInput(f"{words} is neither an http(s) address, nor a database of MLflow's, nor a folder.")
    return MlrunsFolder(path, report, elsewhere)
