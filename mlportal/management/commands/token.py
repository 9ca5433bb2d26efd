"""`manage.py token USER`: a new API token, alone on the last line, so that scripts can take it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from mlportal.access import services
from mlportal.access.models import User


class Command(BaseCommand):
    help = "Make an API token for a user and print it; it cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--name", default="made on the command line", help="To tell tokens apart later")

    def handle(self, *args: Any, user: str, name: str, **options: Any) -> None:
        self._check_portal()
        person = User.objects.filter(username=user, is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active user named {user!r}.")
        _, secret = services.create_token(person, name)
        self.stdout.write(secret)

    def _check_portal(self) -> None:
        try:
            is_made = User._meta.db_table in connection.introspection.table_names()
        except DatabaseError as error:
            reason = str(error).partition("\n")[0]
            raise CommandError(f"The database does not answer: {reason}. DATABASE_URL says where it is.") from None
        if not is_made:
            raise CommandError(
                f"There is no portal in {settings.HOME} yet. Start it once with `make run`, which makes the database and "
                "the user admin. If you mean another one, set MLPORTAL_HOME to its folder, and DATABASE_URL if it has one."
            )
