"""What is logged, and what is refused: all of a request or nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mlflow.conftest import Mlflow, refused
from tests.portal import Portal


@pytest.fixture
def run(api: Mlflow) -> str:
    return api.new_run()


def metric(key: str = "m", value: Any = 1.0, timestamp: Any = 1000, **more: Any) -> dict[str, Any]:
    return {"key": key, "value": value, "timestamp": timestamp, **more}


def test_a_parent_elsewhere_is_a_tag_and_a_child_keeps_its_parent(api: Mlflow) -> None:
    tag = "mlflow.parentRunId"
    parent, other = api.new_run(), api.new_run()
    elsewhere = api.new_run(api.experiment(), tags=[{"key": tag, "value": parent}])
    assert api.data(elsewhere, "tags")[tag] == parent
    api.post("runs/set-tag", run_id=elsewhere, key=tag, value=other)
    assert api.data(elsewhere, "tags")[tag] == other
    api.post("runs/delete-tag", run_id=elsewhere, key=tag)
    assert tag not in api.data(elsewhere, "tags")
    child = api.new_run(tags=[{"key": tag, "value": parent}])
    api.post("runs/set-tag", run_id=child, key=tag, value=parent)
    refused(api.send("runs/set-tag", run_id=child, key=tag, value=other))
    refused(api.send("runs/delete-tag", run_id=child, key=tag))
    assert api.data(child, "tags")[tag] == parent


def test_a_run_that_is_tagged_with_a_parent_becomes_its_child(portal: Portal, api: Mlflow) -> None:
    def children(uid: str) -> set[str]:
        with portal.client() as client:
            return {run["id"] for run in client.get("runs/", parent=uid)["results"]}

    tag = "mlflow.parentRunId"
    top, middle, late, alone = (api.new_run() for _ in range(4))
    api.post("runs/set-tag", run_id=middle, key=tag, value=top)
    api.post("runs/log-batch", run_id=late, tags=[{"key": tag, "value": middle}])
    assert children(top) == {middle} and children(middle) == {late}
    assert api.data(late, "tags")[tag] == middle
    for value in (late, alone, top[:-1], "no such run", "x" * 5000):  # a circle, itself, none
        api.post("runs/set-tag", run_id=top if value == late else alone, key=tag, value=value)
    assert children(late) == children(alone) == set()
    assert api.data(top, "tags")[tag] == late


def test_of_equals_the_largest_is_the_last(api: Mlflow, run: str) -> None:
    for value in (1.0, 3.0, 2.0):
        api.post("runs/log-metric", run_id=run, **metric(value=value, step=4))
    api.post("runs/log-batch", run_id=run, metrics=[metric("n", value, step=4) for value in (1.0, 3.0, 2.0)])
    assert api.data(run, "metrics") == {"m": 3.0, "n": 3.0}


def test_numbers_that_are_none_are_kept(api: Mlflow, run: str) -> None:
    for step, value in enumerate(["NaN", "Infinity", "-Infinity", "1.5", 3]):
        api.post("runs/log-metric", run_id=run, **metric(value=value, step=step))
    assert [value for _, _, value in api.history(run, "m")] == ["NaN", "Infinity", "-Infinity", 1.5, 3.0]


def test_steps_may_repeat_and_come_in_any_order(api: Mlflow, run: str) -> None:
    for time, step, value in ((5, 7, 1.0), (3, 9, 2.0), (4, 7, 3.0), (4, -2, 4.0)):
        api.post("runs/log-metric", run_uuid=run, **metric(value=value, timestamp=time, step=step))
    assert api.history(run, "m") == [(3, 9, 2.0), (4, -2, 4.0), (4, 7, 3.0), (5, 7, 1.0)]
    assert api.data(run, "metrics") == {"m": 2.0}  # the last is that of the highest step


def test_a_batch_that_is_sent_again_changes_nothing(api: Mlflow, run: str) -> None:
    batch = [metric(value=step / 2, step=step) for step in range(500)] + [metric(value="NaN", step=3)] * 2
    for _ in range(3):
        api.post("runs/log-batch", run_id=run, metrics=batch, params=[{"key": "p", "value": "1"}])
    api.post("runs/log-batch", run_id=run, metrics=[*batch[:10], metric(value=0.75, step=4)])
    assert len(api.history(run, "m")) == 502
    assert api.data(run, "params") == {"p": "1"}


def test_a_history_comes_in_pages(api: Mlflow, run: str) -> None:
    api.post("runs/log-batch", run_id=run, metrics=[metric(step=step, timestamp=step) for step in range(25)])
    steps: list[int] = []
    token = None
    while True:
        page = api.get(
            "metrics/get-history",
            run_id=run,
            metric_key="m",
            max_results=10,
            **({"page_token": token} if token else {}),
        )
        steps += [point["step"] for point in page["metrics"]]
        if not (token := page.get("next_page_token")):
            break
    assert steps == list(range(25))
    for token in ("x", "e30=", "eyJvZmZzZXQiOiAtMX0=", "eyJvZmZzZXQiOiAiYSJ9"):
        refused(api.ask("metrics/get-history", run_id=run, metric_key="m", page_token=token))
    refused(api.ask("metrics/get-history", run_id=run, metric_key="m", max_results=0))


def test_the_history_of_many_runs(api: Mlflow) -> None:
    runs = [api.new_run() for _ in range(3)]
    for run in runs:
        api.post("runs/log-batch", run_id=run, metrics=[metric(step=step, timestamp=step) for step in range(100)])
    bulk = api.get("metrics/get-history-bulk", run_id=runs, metric_key="m", max_results=250)["metrics"]
    assert len(bulk) == 250 and {point["run_id"] for point in bulk} == set(runs)
    thin = api.get("metrics/get-history-bulk-interval", run_ids=runs, metric_key="m", max_results=5)["metrics"]
    assert [point["step"] for point in thin if point["run_id"] == runs[0]] == [0, 25, 50, 74, 99]
    part = api.get("metrics/get-history-bulk-interval", run_ids=runs[:1], metric_key="m", start_step=10, end_step=12)
    assert [point["step"] for point in part["metrics"]] == [10, 11, 12]
    refused(api.ask("metrics/get-history-bulk-interval", run_ids=runs, metric_key="m", start_step=1))


def test_a_parameter_is_written_once(api: Mlflow, run: str) -> None:
    api.post("runs/log-parameter", run_id=run, key="a", value="1")
    api.post("runs/log-parameter", run_id=run, key="a", value="1")
    refused(api.send("runs/log-parameter", run_id=run, key="a", value="2"))
    refused(
        api.send("runs/log-batch", run_id=run, metrics=[metric()], tags=[{"key": "t", "value": "1"}],
                 params=[{"key": "b", "value": "1"}, {"key": "a", "value": "2"}])
    )  # fmt: skip
    refused(api.send("runs/log-batch", run_id=run, params=[{"key": "c", "value": "1"}] * 2))
    assert api.data(run, "params") == {"a": "1"}
    assert "t" not in api.data(run, "tags") and not api.data(run, "metrics")


BAD_BATCHES: dict[str, dict[str, Any]] = {
    "1001 metrics": {"metrics": [metric(step=step) for step in range(1001)]},
    "10,000 metrics": {"metrics": [{"key": "m", "value": 1, "timestamp": step} for step in range(10_000)]},
    "101 params": {"params": [{"key": f"p{n}", "value": "1"} for n in range(101)]},
    "101 tags": {"tags": [{"key": f"t{n}", "value": "1"} for n in range(101)]},
    "1001 together": {"metrics": [metric(step=step) for step in range(1000)], "params": [{"key": "p", "value": "1"}]},
    "a long key": {"metrics": [metric(), metric("k" * 251)]},
    "a long param": {"params": [{"key": "a", "value": "1"}, {"key": "p", "value": "v" * 6001}]},
    "a long tag": {"tags": [{"key": "a", "value": "1"}, {"key": "p", "value": "v" * 8001}]},
    "a key like a path": {"metrics": [metric(), metric("../x")]},
    "a key with a sign": {"params": [{"key": "a;b", "value": "1"}]},
    "an empty key": {"metrics": [metric("")]},
    "no value": {"metrics": [metric(), {"key": "a", "timestamp": 1}]},
    "a value that is none": {"metrics": [metric(), metric(value="many")]},
    "a value that is true": {"metrics": [metric(value=True)]},
    "a time before 1970": {"metrics": [metric(), metric(timestamp=-1)]},
    "a time beyond all": {"metrics": [metric(timestamp=10**16)]},
    "a step beyond 64 bits": {"metrics": [metric(), metric(step=2**63)]},
    "a NUL": {"params": [{"key": "a", "value": "\0"}]},
    "no list": {"metrics": {"key": "m"}},
    "no objects": {"metrics": ["m"]},
}


@pytest.mark.parametrize("what", BAD_BATCHES)
def test_of_a_bad_batch_nothing_is_written(api: Mlflow, run: str, what: str) -> None:
    before = api.run(run)
    refused(api.send("runs/log-batch", run_id=run, **BAD_BATCHES[what]))
    assert api.run(run) == before


def test_a_batch_of_more_than_a_megabyte_is_refused(api: Mlflow, run: str) -> None:
    refused(api.send("runs/log-batch", run_id=run, tags=[{"key": f"t{n}", "value": "v" * 12_000} for n in range(100)]))


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"3", b'{"run_id": NaN}', b"\xff", b"[" * 10_000])
def test_a_body_that_is_none_is_refused(api: Mlflow, body: bytes) -> None:
    for path in ("runs/create", "runs/log-metric", "runs/log-batch", "experiments/search", "runs/search"):
        if path == "experiments/search" and body == b'"x"':
            continue
        refused(api.http.post(api.url(path), content=body))


@pytest.mark.parametrize("given", ["soon", "1" * 20, 1.5, [1]])
def test_what_is_no_whole_number_is_named(api: Mlflow, given: object) -> None:
    assert f"Invalid value {given!r} for parameter 'start_time'" in refused(
        api.send("runs/create", experiment_id="0", start_time=given)
    )


def test_unknown_things(api: Mlflow) -> None:
    nobody = "0" * 32
    for path, body in (
        ("runs/log-metric", {"run_id": nobody, **metric()}),
        ("runs/update", {"run_id": nobody, "status": "FINISHED"}),
        ("runs/delete", {"run_id": nobody}),
        ("runs/set-tag", {"run_id": nobody, "key": "a", "value": "b"}),
        ("runs/create", {"experiment_id": "999999"}),
        ("experiments/delete", {"experiment_id": "999999"}),
    ):
        refused(api.send(path, **body), "RESOURCE_DOES_NOT_EXIST", 404)
    refused(api.ask("experiments/get-by-name", experiment_name="none"), "RESOURCE_DOES_NOT_EXIST", 404)
    refused(api.ask("experiments/get", experiment_id="x"))
    refused(api.send("runs/delete-tag", run_id=api.new_run(), key="a"), "RESOURCE_DOES_NOT_EXIST", 404)
    refused(api.ask("runs/get"))
    refused(api.ask("no/such"), "ENDPOINT_NOT_FOUND", 404)
    refused(api.http.get(f"{api.base}/api/3.0/mlflow/server-info"), "ENDPOINT_NOT_FOUND", 404)


def test_a_deleted_run_takes_nothing(api: Mlflow, run: str) -> None:
    api.post("runs/log-metric", run_id=run, **metric())  # it is known now, and must be looked at all the same
    api.post("runs/delete", run_id=run)
    for path, body in (
        ("runs/log-metric", metric(step=2)),
        ("runs/log-parameter", {"key": "a", "value": "b"}),
        ("runs/set-tag", {"key": "a", "value": "b"}),
        ("runs/update", {"status": "FAILED"}),
        ("runs/log-inputs", {"datasets": [{"dataset": {"name": "d", "digest": "1"}}]}),
    ):
        refused(api.send(path, run_id=run, **body))
    refused(api.put(f"0/{run}/artifacts/a.txt", b"x"))
    api.post("runs/restore", run_id=run)
    assert api.history(run, "m") == [(1000, 0, 1.0)] and api.run(run)["info"]["status"] == "RUNNING"


def test_data_that_a_run_used(api: Mlflow, run: str) -> None:
    data = {"name": "iris", "digest": "abc", "source_type": "http", "source": "{}", "schema": "[]"}
    tags = [{"key": "mlflow.data.context", "value": "training"}]
    for _ in range(2):
        api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": data, "tags": tags}])
    assert api.run(run)["inputs"]["dataset_inputs"] == [{"dataset": data, "tags": tags}]
    refused(api.send("runs/log-inputs", run_id=run, datasets=[{"dataset": {**data, "digest": "x" * 37}}]))


def test_models_that_a_run_logged_are_a_tag(api: Mlflow, run: str) -> None:
    model = json.dumps({"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": run})
    api.post("runs/log-model", run_id=run, model_json=model)
    api.post("runs/log-model", run_id=run, model_json=model)
    assert api.data(run, "tags")["mlflow.log-model.history"].count("artifact_path") == 2
    refused(api.send("runs/log-model", run_id=run, model_json="{"))


def test_how_a_run_ends(api: Mlflow) -> None:
    for status in ("FINISHED", "FAILED", "KILLED"):
        run = api.new_run(start_time=1_700_000_000_123)
        info = api.post("runs/update", run_id=run, status=status, end_time=1_700_000_005_456)["run_info"]
        assert (info["status"], info["start_time"], info["end_time"]) == (status, 1_700_000_000_123, 1_700_000_005_456)
        again = api.post("runs/update", run_id=run, status="RUNNING", run_name="again")["run_info"]
        assert (again["status"], again["run_name"]) == (status, "again")  # an end is one
    refused(api.send("runs/update", run_id=run, status="DONE"))


def test_a_name_is_one_wherever_it_is_given(api: Mlflow) -> None:
    run = api.new_run(tags=[{"key": "mlflow.runName", "value": "first"}])
    assert api.run(run)["info"]["run_name"] == "first"
    api.post("runs/set-tag", run_id=run, key="mlflow.runName", value="second")
    assert (api.run(run)["info"]["run_name"], api.data(run, "tags")["mlflow.runName"]) == ("second", "second")
    refused(api.send("runs/create", experiment_id="0", run_name="a", tags=[{"key": "mlflow.runName", "value": "b"}]))


def test_experiments(api: Mlflow) -> None:
    name = "folder/ü 50 % #?"
    made = api.post("experiments/create", name=name, tags=[{"key": "a", "value": "b"}])["experiment_id"]
    found = api.get("experiments/get-by-name", experiment_name=name)["experiment"]
    assert found["experiment_id"] == made and found["tags"] == [{"key": "a", "value": "b"}]
    refused(api.send("experiments/create", name=name), "RESOURCE_ALREADY_EXISTS")
    for bad in ("", "x" * 501, "a\0b", "a\nb"):
        refused(api.send("experiments/create", name=bad))
    api.post("experiments/delete", experiment_id=made)
    refused(api.send("runs/create", experiment_id=made))
    refused(api.send("experiments/update", experiment_id=made, new_name="x"))
    refused(api.send("experiments/delete", experiment_id=made), "RESOURCE_DOES_NOT_EXIST", 404)
    api.post("experiments/restore", experiment_id=made)
    refused(api.send("experiments/update", experiment_id="0", new_name="mine"), "RESOURCE_CONFLICT", 409)


def test_the_default_experiment_is_called_0_when_it_is_deleted_too(portal: Portal, tokens: dict[str, str]) -> None:
    other = Mlflow(portal.url, portal.token, "other")
    other.post("experiments/delete", experiment_id="0")
    try:
        assert "The experiment 0 must be" in refused(other.send("runs/create", experiment_id="0"))
    finally:
        other.post("experiments/restore", experiment_id="0")
