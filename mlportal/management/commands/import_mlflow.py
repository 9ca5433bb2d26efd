"""`manage.py import_mlflow SOURCE --workspace NAME`: what MLflow has in a database, a folder or on a server, into a workspace."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.services.table_statistics import renew_table_statistics
from mlportal.access.models import Workspace
from mlportal.errors import PortalError
from mlportal.mlflow_port.bringing import Bringer
from mlportal.mlflow_port.items import PortError
from mlportal.mlflow_port.people import actor, workspace_named
from mlportal.mlflow_port.report import Report
from mlportal.mlflow_port.sources import source_of


class Command(BaseCommand):
    help = (
        "Copy experiments, runs and models out of an MLflow. What is here already is skipped, so that it can be repeated."
        " Ends with 1 when something could not be copied, and lists it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "source",
            help="A file mlflow.db or the folder that it is in, a folder mlruns, or http(s)://… of a tracking server, for"
            " which keys come from MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        )
        parser.add_argument("--workspace", required=True, metavar="NAME")
        parser.add_argument(
            "--experiment", action="append", default=[], metavar="NAME", help="Only this one; repeatable"
        )
        parser.add_argument(
            "--by", default="", metavar="USER", help="Who does it; an owner of the workspace if not said"
        )
        parser.add_argument(
            "--artifacts",
            action="append",
            default=[],
            metavar="FOLDER",
            help="Another folder from which files may be taken, for artifacts that are elsewhere; repeatable",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be copied, and copy nothing")

    def handle(
        self,
        *args: Any,
        source: str,
        workspace: str,
        experiment: list[str],
        by: str,
        artifacts: list[str],
        **options: Any,
    ) -> None:
        report = Report(self.stdout, progress=self.stdout.isatty())  # type: ignore[arg-type]
        dry = bool(options["dry_run"])
        try:
            place = workspace_named(workspace)
            bringer = Bringer(
                source_of(source, artifacts, report),
                place,
                origin=source,
                by=actor(place, by),
                only=experiment,
                dry=dry,
            )
        except PortalError as error:
            raise CommandError(error.message) from None
        self._bring(bringer, report, place, "Would import" if dry else "Imported")

    def _bring(self, bringer: Bringer, report: Report, place: Workspace, verb: str) -> None:
        broken = ""
        try:
            bringer.bring()
        except PortError as error:
            broken = error.message
        except KeyboardInterrupt:
            broken = "Interrupted."
        if not bringer.dry:
            renew_table_statistics()
        report.close(f"{verb} into {place.name}")
        if broken:
            raise CommandError(f"{broken} It broke off; what is listed above is there. Start it again to go on.")
        if report.problems:
            raise CommandError("Not everything could be copied; the list is above.")
