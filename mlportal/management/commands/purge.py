"""`manage.py purge`: what is in the trash is deleted for good, once `--yes` says so. What `mlflow gc` is to its server."""

import re
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from experiments import services
from experiments.models import Experiment, RetentionRule, Run
from experiments.services import purging, reaping
from mlportal.access.models import Workspace
from mlportal.env import DURATIONS
from mlportal.templatetags.portal import in_bytes

WHY = "manage.py purge"


class Command(BaseCommand):
    help = "Delete for good what is in the trash. Without --yes it only says what would go."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", action="append", default=[], help="Only of this one; may be given again")
        parser.add_argument("--experiment", action="append", default=[], help="Only of this one; may be given again")
        parser.add_argument(
            "--run", action="append", default=[], metavar="ID", help="Only this run; may be given again"
        )
        parser.add_argument("--older-than", default="0", metavar="TIME", help="In the trash for so long: 12h, 30d")
        parser.add_argument("--rules", action="store_true", help="Apply the rules that are on first")
        parser.add_argument("--yes", action="store_true", help="Do it")

    def handle(self, *args: Any, yes: bool, rules: bool, **options: Any) -> None:
        age = _age(options["older_than"])
        chosen = _workspaces(options["workspace"])
        if rules:
            self._apply_rules(chosen, yes)
        total, before = 0, timezone.now() - age
        for workspace in chosen:
            total += self._purge(workspace, before, options["experiment"], options["run"], yes)
        if yes:
            purging.resume()
            reaping.sweep()
            self.stdout.write(f"{in_bytes(total)} freed.")
        else:
            self.stdout.write(f"{in_bytes(total)} would be freed. Nothing was deleted; --yes does it.")

    def _apply_rules(self, chosen: list[Workspace], yes: bool) -> None:
        on = RetentionRule.objects.filter(enabled=True, workspace__in=chosen).select_related("workspace", "experiment")
        for rule in (each for each in on if each.moves_runs):
            count = services.apply_rule(rule) if yes else len(services.preview(rule).runs)
            self.stdout.write(f"{rule.workspace}: {rule} {'moved' if yes else 'would move'} {count} runs to the trash.")

    def _purge(self, workspace: Workspace, before: Any, names: list[str], uids: list[str], yes: bool) -> int:
        """How many bytes it freed, or would."""
        runs = Run.objects.trashed().in_workspace(workspace).tops().filter(deleted_at__lte=before)
        places = services.trashed_experiments(workspace).filter(deleted_at__lte=before)
        if names:
            runs, places = runs.filter(experiment__name__in=names), places.filter(name__in=names)
        if uids:
            runs, places = runs.filter(uid__in=uids), places.none()
        experiments: list[Experiment] = list(places)
        plan = services.plan_purge(workspace, runs=list(runs), experiments=experiments)
        for run in {each.pk: each for each in plan.staying.values()}.values():
            self.stdout.write(f"{workspace}: {services.why_staying(run)}")
        if not plan.run_count and not plan.experiments:
            self.stdout.write(f"{workspace}: nothing to delete.")
            return 0
        what = f"{plan.run_count} runs and {len(plan.experiments)} experiments"
        for name in services.models_of(plan.runs):
            self.stdout.write(f"{workspace}: the model {name} keeps its files, its code and where it came from.")
        if not yes:
            self.stdout.write(f"{workspace}: {what} would go, and free {in_bytes(plan.freed_bytes)}.")
            return plan.freed_bytes
        purge = purging.start_purge(workspace, plan, by=None, why=WHY)
        purging.carry_out(purge)
        purge.refresh_from_db()
        self.stdout.write(f"{workspace}: {what} are deleted; {in_bytes(purge.freed_bytes)} freed.")
        return purge.freed_bytes


def _workspaces(names: list[str]) -> list[Workspace]:
    found = list(Workspace.objects.filter(name__in=names) if names else Workspace.objects.all())
    if missing := sorted(set(names) - {workspace.name for workspace in found}):
        raise CommandError(f"There is no workspace {missing[0]!r}.")
    return found


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhd]?)", text.strip().lower())
    if found is None:
        raise CommandError(f"--older-than={text!r} is not a duration such as 12h or 30d.")
    return timedelta(seconds=int(found[1]) * DURATIONS[found[2]])
