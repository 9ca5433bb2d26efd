"""Runs as MLflow's clients are told of them, read from either database."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from experiments.metrics import Series, Summary
from experiments.models import LoggedDataset, Metric, Parameter, Run, Tag
from mlportal.mlflow_api.shapes import info_json
from mlportal.mlflow_api.whole_runs import runs_json
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

    first, second = runs_json([child.pk, parent.pk])

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
