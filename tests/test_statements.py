"""Plain SQL: rows as Django would have stored them, on the database of the settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from experiments.models import Experiment, Run, RunEvent, RunProperty, Tag
from experiments.status import RunStatus
from mlportal.access.models import AuditEvent, Workspace
from mlportal.statements import MOST_PARAMETERS, NOW, insert, moment_of, together

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    workspace = Workspace.objects.create(name="plain")
    experiment = Experiment.objects.create(workspace=workspace, name="e")
    return Run(workspace=workspace, experiment=experiment, number=1, arguments=["--a", {"b": None}], name="50 % of it")


def test_a_row_is_as_django_stores_it(run: Run) -> None:
    insert([run])
    other = Run.objects.create(
        workspace=run.workspace, experiment=run.experiment, number=2, arguments=run.arguments, name=run.name
    )
    stored, by_django = (dict(Run.objects.filter(pk=one.pk).values().get()) for one in (run, other))
    assert {key for key in stored if stored[key] != by_django[key]} <= {"id", "uid", "number", "created_at"}
    assert abs(Run.objects.get(pk=run.pk).created_at - other.created_at) < timedelta(minutes=1)
    run.refresh_from_db()
    run.name = "changed"
    run.save()  # as one that is there
    assert Run.objects.get(pk=run.pk).name == "changed"


def test_rows_of_several_models_get_their_own_keys(run: Run) -> None:
    insert([run])
    tags = [Tag(run=run, name=f"t{n}", value=None if n % 2 else "") for n in range(5)]
    events = [RunEvent(run=run, new=RunStatus.RUNNING)]
    insert(tags, [], events, [AuditEvent(action="run.start", details={"a": [1, "é", None]})])
    assert {tag.pk: tag.name for tag in tags} == dict(Tag.objects.values_list("pk", "name"))
    assert dict(Tag.objects.values_list("name", "value"))["t1"] is None
    assert events[0].pk == RunEvent.objects.get().pk
    assert AuditEvent.objects.get().details == {"a": [1, "é", None]}


def test_more_rows_than_a_statement_takes(run: Run) -> None:
    insert([run])
    rows = [RunProperty(run=run, name=f"p{n}", value="v") for n in range(MOST_PARAMETERS)]
    insert(rows)
    assert {row.pk: row.name for row in rows} == dict(RunProperty.objects.values_list("pk", "name"))


def test_nothing_of_a_message_stays_when_a_part_is_refused(run: Run) -> None:
    insert([run])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert([Tag(run=run, name="fine")], [Tag(run=run, name="twice"), Tag(run=run, name="twice")])
    assert not Tag.objects.exists()


def test_each_statement_sees_those_before_it(run: Run) -> None:
    insert([run])
    table = connection.ops.quote_name(Run._meta.db_table)
    changed, seen, none = together(
        (f"UPDATE {table} SET name = %s WHERE id = %s RETURNING id", ["100 % new; %s", run.pk]),
        (f"SELECT name FROM {table} WHERE id = %s", [run.pk]),
        (f"UPDATE {table} SET name = '' WHERE id = %s", [run.pk]),
    )
    assert (changed, seen, none) == ([(run.pk,)], [("100 % new; %s",)], [])


def test_now_is_a_moment() -> None:
    (rows,) = together((f"SELECT {NOW} WHERE %s = 1", [1]))
    assert abs(moment_of(rows[0][0]) - datetime.now(UTC)) < timedelta(minutes=1)
