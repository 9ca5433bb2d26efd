"""Runs as MLflow's clients are told of them, read from either database."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pytest
from django.db import transaction

from experiments import services
from experiments.metrics import Batch, Series, Summary
from experiments.models import Experiment, LoggedDataset, Metric, Parameter, Run, Tag
from experiments.status import RunStatus
from mlportal.access.models import User
from mlportal.mlflow_api import told
from mlportal.mlflow_api.call import Json
from mlportal.mlflow_api.shapes import info_json
from mlportal.mlflow_api.whole_runs import run_json, runs_json
from tests.conftest import MakeRun

pytestmark = pytest.mark.django_db


def test_everything_of_several_runs_comes_in_the_order_that_is_asked_for(make_run: MakeRun) -> None:
    parent, child = make_run(status="Running", ended_at=None), make_run()
    started, ended = (datetime(2026, 3, 4, 5, 6, 7, micro, tzinfo=UTC) for micro in (123_999, 124_000))
    Run.objects.filter(pk=child.pk).update(parent=parent, started_at=started, ended_at=ended, name="Ü")
    for name, value in (("loss", 0.1 + 0.2), ("bad", math.nan), ("much", math.inf)):
        metric = Metric(run=child, name=name)
        metric.summary = Summary.of(Series.of([3], [1.7e9], [value]))
        metric.save()
    Parameter.objects.create(run=child, name="kernel", value='"rbf" 100%')
    Tag.objects.create(run=child, name="team", value="")
    LoggedDataset.objects.create(run=child, name="iris", digest="abc", tags={"mlflow.data.context": "training"})

    first, second = map(read, runs_json([child.pk, parent.pk]))

    assert (first["info"]["start_time"], first["info"]["end_time"]) == (1772600767123, 1772600767124)
    assert first["info"] == info_json(Run.objects.get(pk=child.pk))
    told = {each["key"]: (each["value"], each["timestamp"], each["step"]) for each in first["data"]["metrics"]}
    assert told["loss"] == (0.1 + 0.2, 1_700_000_000_000, 3)
    assert (told["bad"][0], told["much"][0]) == ("NaN", "Infinity")
    assert first["data"]["params"] == [{"key": "kernel", "value": '"rbf" 100%'}]
    tags = {each["key"]: each["value"] for each in first["data"]["tags"]}
    assert tags == {"team": "", "mlflow.runName": "Ü", "mlflow.parentRunId": parent.uid}
    (dataset,) = first["inputs"]["dataset_inputs"]
    assert dataset["dataset"] == {"name": "iris", "digest": "abc"}
    assert dataset["tags"] == [{"key": "mlflow.data.context", "value": "training"}]
    assert second["info"]["run_id"] == parent.uid and "end_time" not in second["info"]


def told_of(run: Run) -> Json:
    return read(run_json(run))


def read(shape: orjson.Fragment) -> Json:
    found: Json = orjson.loads(orjson.dumps(shape))
    return found


def is_remembered(run: Run) -> bool:
    return any(run.uid in key for key in told._texts)


def one(name: str, value: float, step: int = 0, time: float = 1.0) -> Batch:
    return Batch(scalars={name: Series.of([step], [time], [value])})


Change = Callable[[Run, User], object]
CHANGES: dict[str, Change] = {
    "a number": lambda run, by: services.log_batch(run, one("loss", 0.25, 1, 2.0), by=by),
    "a number of a new name": lambda run, by: services.log_batch(run, one("auc", 0.5), by=by),
    "a number by the portal's own dialect": lambda run, by: services.log_metrics(
        run, [{"t": 9.0, "k": "scalar", "n": "loss", "v": 1.0, "s": 9}], by=by
    ),
    "a parameter": lambda run, by: services.log_batch(run, Batch(params={"C": "2"}), by=by),
    "a tag": lambda run, by: services.set_tags(run, {"team": "red"}, by=by),
    "a tag of a batch": lambda run, by: services.log_batch(run, Batch(tags={"team": "red"}), by=by),
    "a tag less": lambda run, by: services.remove_tags(run, ["team"], by=by),
    "its name": lambda run, by: services.update_run(run, name="other", by=by),
    "the experiment's name": lambda run, by: services.rename_experiment(run.experiment, "other", by=by),
    "its experiment": lambda run, by: services.move_runs(
        [run], Experiment.objects.create(workspace=run.workspace, name="elsewhere"), by=by
    ),
    "its parent": lambda run, by: (
        services.set_tags(run, {"mlflow.parentRunId": run.experiment.runs.exclude(pk=run.pk).get().uid}, by=by),
        services.link_parent(run, by=by),
    ),
    "its end": lambda run, by: services.finish_run(run, RunStatus.FAILED, by=by),
    "the trash": lambda run, by: services.trash_run(run, by=by),
    "who started it": lambda run, by: User.objects.filter(pk=by.pk).update(username="another"),
    "many runs at once": lambda run, by: services.act_on_runs(
        run.workspace, Run.objects.filter(pk=run.pk), "tag", set_to={"a": "b"}, by=by
    ),
}


class TestRemembered:
    """In transactions of their own: within one nothing is remembered."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def run(self, make_run: MakeRun) -> Run:
        make_run()
        made = make_run(params={"kernel": "rbf"}, tags={"team": "blue"}, status="Running", ended_at=None)
        services.write_batch(made, one("loss", 0.5))
        return made

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    def test_after_a_change_it_is_told_anew(self, run: Run, owner: User, change: Change) -> None:
        before = told_of(run)
        assert is_remembered(run)
        assert told_of(run) == before
        change(run, owner)
        after = told_of(run)
        assert after != before
        told._texts.clear()
        assert told_of(run) == after

    def test_one_that_was_purged_and_brought_in_again(self, make_run: MakeRun) -> None:
        first = make_run(params={"C": "1"})
        assert told_of(first)["data"]["params"] == [{"key": "C", "value": "1"}]
        uid, revision = first.uid, first.revision
        first.delete()
        again = make_run(uid=uid, revision=revision, params={"C": "2"})
        assert told_of(again)["data"]["params"] == [{"key": "C", "value": "2"}]

    def test_what_may_be_undone_is_not_remembered(self, run: Run, owner: User) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            services.set_tags(run, {"team": "red"}, by=owner)
            told_of(run)
            raise ZeroDivisionError
        assert not is_remembered(run)

    def test_what_was_told_first_is_forgotten_first(self, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
        runs = [make_run(params={"p": "x" * 1000}) for _ in range(4)]
        monkeypatch.setattr(told, "_texts", OrderedDict())
        monkeypatch.setattr(told, "_bytes", 0)
        monkeypatch.setattr(told, "MOST_BYTES", 2 * (1600 + told.OF_KEY))
        shapes = [told_of(run) for run in runs]
        assert [is_remembered(run) for run in runs] == [False, False, True, True]
        assert [told_of(run) for run in runs] == shapes
