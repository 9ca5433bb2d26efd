"""`manage.py purge`, for who administers by shell."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from experiments import services
from experiments.models import Experiment, Run
from mlportal.access.models import AuditEvent, User, Workspace
from tests.trash.conftest import MakeRun, trashed

pytestmark = pytest.mark.django_db


def purge(*arguments: str) -> str:
    out = io.StringIO()
    call_command("purge", *arguments, stdout=out)
    return out.getvalue()


def test_without_yes_it_only_says_what_would_go(make_run: MakeRun, owner: User) -> None:
    trashed(make_run(files={"outputs/a": b"a" * 2000}), owner)
    services.trash_experiment(make_run("wine").experiment, by=owner)
    said = purge()
    assert "lab: 2 runs and 1 experiments would go, and free 2.0 kB." in said and "--yes does it" in said
    assert Run.objects.count() == 2
    said = purge("--yes")
    assert "2.0 kB freed" in said
    assert not Run.objects.exists() and list(Experiment.objects.values_list("name", flat=True)) == ["iris"]
    assert AuditEvent.objects.get(action="run.purged").details["freed_bytes"] == 2000


def test_what_is_chosen_goes_alone(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    old, young, other = (
        trashed(make_run(), owner, days=40), trashed(make_run(), owner, days=2), trashed(make_run("wine"), owner, days=40),
    )  # fmt: skip
    assert "nothing to delete" in purge("--workspace", "lab", "--older-than", "100d", "--yes")
    purge("--older-than", "30d", "--experiment", "iris", "--yes")
    assert set(Run.objects.all()) == {young, other} and old not in Run.objects.all()
    purge("--run", other.uid, "--yes")
    assert Run.objects.get() == young


def test_rules_are_applied_first_when_asked(make_run: MakeRun, owner: User, workspace: Workspace) -> None:
    make_run(days=50)
    services.set_rule(workspace, older_than_days=10, enabled=True, by=owner)
    assert "lab: the rule of lab would move 1 runs" in purge("--rules")
    assert not Run.objects.trashed().exists()
    purge("--rules", "--yes")
    assert not Run.objects.exists()


def test_nonsense_is_refused(workspace: Workspace) -> None:
    for arguments in (
        ["--workspace", "none"],
        ["--older-than", "soon"],
        ["--older-than", "3y"],
        ["--older-than", "-1d"],
    ):
        with pytest.raises(CommandError):
            purge(*arguments)
