"""`manage.py export_mlflow DESTINATION --workspace NAME`: a workspace into an MLflow server or into a folder `mlruns`."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlportal.access.models import Workspace
from mlportal.errors import PortalError
from mlportal.mlflow_port.connection import Connection
from mlportal.mlflow_port.items import PortError
from mlportal.mlflow_port.people import workspace_named
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.sending import Sender
from mlportal.mlflow_port.writing import FolderWriter


class Command(BaseCommand):
    help = "Copy experiments, runs and models into an MLflow. Ends with 1 when something could not be copied, and lists it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "destination",
            help="http(s)://… of a tracking server, or a folder that is not there yet. Keys come from"
            " MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )
        parser.add_argument("--workspace", required=True, metavar="NAME")
        parser.add_argument(
            "--experiment", action="append", default=[], metavar="NAME", help="Only this one; repeatable"
        )

    def handle(self, *args: Any, destination: str, workspace: str, experiment: list[str], **options: Any) -> None:
        report = Report(self.stdout, progress=self.stdout.isatty())  # type: ignore[arg-type]
        try:
            exporter = self._exporter(destination, workspace_named(workspace), report, experiment)
        except PortalError as error:
            raise CommandError(error.message) from None
        broken = ""
        try:
            exporter.export()
        except PortError as error:
            broken = error.message
        except KeyboardInterrupt:
            broken = "Interrupted."
        report.close(f"Exported to {destination}")
        if broken:
            what = "Start it again to go on" if isinstance(exporter, Sender) else "Nothing of it was kept"
            raise CommandError(f"{broken} It broke off. {what}.")
        if report.problems:
            raise CommandError("Not everything could be copied; the list is above.")

    def _exporter(
        self, destination: str, workspace: Workspace, report: Report, only: list[str]
    ) -> Sender | FolderWriter:
        if destination.startswith(("http://", "https://")):
            return Sender(Connection(destination, os.environ), workspace, report, only)
        if "://" in destination and not destination.startswith("file://"):
            raise CommandError("Export to http(s)://… of a server, or to a folder.")
        return FolderWriter(Path(destination.removeprefix("file://")).expanduser(), workspace, report, only)
