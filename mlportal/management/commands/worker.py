"""`manage.py worker`: a worker on a further machine (BROKER_URL, DATABASE_URL and STORAGE_URL say where the portal is)."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mlportal import entrypoints


class Command(BaseCommand):
    help = "Take runs of the given compute targets on this machine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--targets",
            nargs="+",
            default=["local"],
            help="Names of compute targets; one that several workspaces have, as workspace/name",
        )

    def handle(self, *args: Any, targets: list[str], **options: Any) -> None:
        entrypoints.worker(targets)
