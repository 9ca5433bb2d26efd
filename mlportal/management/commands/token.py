"""`manage.py token USER`: a new API token, alone on the last line, so that scripts can take it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mlportal.access import services
from mlportal.access.models import User


class Command(BaseCommand):
    help = "Make an API token for a user and print it; it cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--name", default="made on the command line", help="To tell tokens apart later")

    def handle(self, *args: Any, user: str, name: str, **options: Any) -> None:
        person = User.objects.filter(username=user, is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active user named {user!r}.")
        _, secret = services.create_token(person, name)
        self.stdout.write(secret)
