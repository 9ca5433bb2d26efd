"""`manage.py demo`: the article from submit to prediction, against a portal that it starts by itself."""

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mlportal import demo


class Command(BaseCommand):
    help = "Tell the article step by step. Ends with 0 only when the prediction is right."
    requires_system_checks: list[str] = []  # of the portal that is configured here: the demo's own checks itself

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--keep", action="store_true", help="Keep the portal's folder, and say how to open it")

    def handle(self, *args: Any, keep: bool, **options: Any) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the portal is stopped and its folder removed
        if not demo.tell(sys.stdout, keep=keep):
            sys.exit(1)
