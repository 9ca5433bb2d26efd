"""A table of runs as a file."""

from __future__ import annotations

import csv
import io
import math

import pytest
from django.test import Client

from experiments.services import exporting
from mlportal.access.models import User, Workspace
from tests.api.conftest import read_whole
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db
IRIS = "/w/lab/experiments/iris/export/"


@pytest.fixture(autouse=True)
def runs(client: Client, workspace: Workspace, owner: User, make_run: MakeRun) -> None:
    client.force_login(owner)
    make_run(metrics={"loss": (0.1, 0.5, 0.9)}, params={"kernel": "rbf", "shift": "-0.5"}, tags={"note": "=1+1"})
    make_run(metrics={"loss": math.nan}, name='@SUM(A1), "x"', started_at="2026-01-01T00:00:00Z")
    make_run(metrics={"loss": 0.2}, status="Failed", params={"kernel": "a\nb"})


def rows(client: Client, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith('attachment; filename="')
    assert answer["X-Content-Type-Options"] == "nosniff"
    return list(csv.DictReader(io.StringIO(read_whole(answer).decode(), newline="")))


def test_all_that_match_are_exported_in_their_order(client: Client) -> None:
    found = rows(client, f"{IRIS}csv/?sort=metrics.loss&c=metrics.loss&c=max(metrics.loss)&c=params.kernel")
    assert [row["number"] for row in found] == ["3", "1", "2"]
    assert list(found[0]) == [
        "run_id", "experiment", "number", "run_name", "status", "metrics.loss", "max(metrics.loss)", "params.kernel"
    ]  # fmt: skip
    assert [row["metrics.loss"] for row in found] == ["0.2", "0.5", "nan"]
    assert found[0]["params.kernel"] == "a\nb"
    assert [row["number"] for row in rows(client, f"{IRIS}csv/?q=status+%3D+'Failed'")] == ["3"]
    assert len(rows(client, "/w/lab/runs/export/csv/?c=experiment")) == 3


def test_no_cell_is_a_formula_and_no_number_is_changed(client: Client) -> None:
    first, second = rows(client, f"{IRIS}csv/?sort=number")[:2]
    assert first["tags.note"] == "'=1+1"
    assert first["params.shift"] == "-0.5"
    assert second["run_name"] == '\'@SUM(A1), "x"'


def test_more_than_are_read_at_a_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.services.exporting.AT_A_TIME", 2)
    assert [row["number"] for row in rows(client, f"{IRIS}csv/")] == ["3", "2", "1"]


def test_what_cannot_be_exported_is_an_error(client: Client, stranger: User) -> None:
    assert client.get(f"{IRIS}csv/?q=metrics.loss+%3C").status_code == 400
    assert client.get(f"{IRIS}xls/").status_code == 404
    client.force_login(stranger)
    assert client.get(f"{IRIS}csv/").status_code == 404


def test_parquet_is_written_while_runs_are_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from arro3.io import read_parquet

    monkeypatch.setattr(exporting, "AT_A_TIME", 1)
    monkeypatch.setattr(exporting, "ROW_GROUP", 2)
    table = read_parquet(io.BytesIO(read_whole(client.get(f"{IRIS}parquet/?sort=number")))).read_all()
    assert table["number"].to_pylist() == [1, 2, 3]


def test_parquet_keeps_types(client: Client) -> None:
    from arro3.io import read_parquet

    columns = "c=metrics.loss&c=params.kernel&c=start_time&c=duration&sort=number"
    table = read_parquet(io.BytesIO(read_whole(client.get(f"{IRIS}parquet/?{columns}")))).read_all()
    assert table["metrics.loss"].to_pylist()[0] == 0.5
    assert math.isnan(table["metrics.loss"].to_pylist()[1])
    assert table["params.kernel"].to_pylist() == ["rbf", None, "a\nb"]
    assert table["number"].to_pylist() == [1, 2, 3]
    assert table["start_time"].to_pylist()[1].isoformat() == "2026-01-01T00:00:00+00:00"
    empty = read_parquet(io.BytesIO(read_whole(client.get(f"{IRIS}parquet/?q=zzz")))).read_all()
    assert empty.num_rows == 0
