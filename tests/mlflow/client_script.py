"""Run by a real client: what people's scripts do, each answer compared with what was sent."""

# mypy: ignore-errors

import math
import os
import sys
import tempfile
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

name = sys.argv[1]
client = MlflowClient()


def code_of(call):
    try:
        call()
    except MlflowException as error:
        return error.error_code
    raise AssertionError("nothing was raised")


experiment_id = mlflow.set_experiment(name).experiment_id
assert mlflow.set_experiment(name).experiment_id == experiment_id
assert client.get_experiment("0").name == "Default"
with mlflow.start_run(run_name="parent", tags={"team": "blue"}, description="a note") as run:
    run_id = run.info.run_id
    mlflow.log_param("depth", 3)
    mlflow.log_param("depth", 3)
    mlflow.log_params({"kernel": "rbf", "a b/c": "größer"})
    for step, value in enumerate([0.5, float("nan"), float("-inf"), 0.25]):
        mlflow.log_metric("loss", value, step=step)
    mlflow.log_metric("loss", 9.0, step=1)
    mlflow.log_metrics({"acc": 0.9, "val/acc": 0.8}, step=2)
    mlflow.set_tag("gone", 1)
    client.delete_tag(run_id, "gone")
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "sub"))
        with open(os.path.join(folder, "sub", "big.bin"), "wb") as file:
            file.write(bytes(range(256)) * 10_000)
        mlflow.log_artifacts(folder, "all")
    mlflow.log_dict({"a": 1}, "d/x.json")
    mlflow.log_text("größer", "t ü.txt")
    mlflow.log_text("größer still", "t ü.txt")
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metric("loss", 2.0)

found = client.get_run(run_id)
assert (found.info.status, found.info.run_name, found.info.experiment_id) == ("FINISHED", "parent", experiment_id)
assert found.info.start_time <= found.info.end_time <= time.time() * 1000 + 1000
assert found.data.params == {"depth": "3", "kernel": "rbf", "a b/c": "größer"}
assert found.data.metrics == {"loss": 0.25, "acc": 0.9, "val/acc": 0.8}
assert found.data.tags["team"] == "blue" and "gone" not in found.data.tags
assert found.data.tags["mlflow.runName"] == "parent" and found.data.tags["mlflow.note.content"] == "a note"
assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run_id
points = sorted(client.get_metric_history(run_id, "loss"), key=lambda point: (point.step, point.timestamp))
assert [point.step for point in points] == [0, 1, 1, 2, 3]
assert math.isnan(points[1].value) and [points[i].value for i in (0, 2, 3, 4)] == [0.5, 9.0, -math.inf, 0.25]
assert client.get_metric_history(run_id, "nothing") == []

assert [entry.path for entry in client.list_artifacts(run_id)] == ["all", "d", "t ü.txt"]
assert [(entry.path, entry.file_size) for entry in client.list_artifacts(run_id, "all/sub")] == [
    ("all/sub/big.bin", 2_560_000)
]
folder = client.download_artifacts(run_id, "all", tempfile.mkdtemp())
with open(os.path.join(folder, "sub", "big.bin"), "rb") as file:
    assert file.read() == bytes(range(256)) * 10_000
assert mlflow.artifacts.load_text(found.info.artifact_uri + "/t ü.txt") == "größer still"
os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = "1000000"
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * 1024 * 1024)
with tempfile.TemporaryDirectory() as folder:
    content = os.urandom(12_000_000)
    with open(os.path.join(folder, "parts.bin"), "wb") as file:
        file.write(content)
    client.log_artifact(run_id, os.path.join(folder, "parts.bin"), "whole")
    with open(client.download_artifacts(run_id, "whole/parts.bin", tempfile.mkdtemp()), "rb") as file:
        assert file.read() == content

assert code_of(lambda: client.log_param(run_id, "depth", "4")) == "INVALID_PARAMETER_VALUE"
assert code_of(lambda: client.get_run("0" * 32)) == "RESOURCE_DOES_NOT_EXIST"
assert code_of(lambda: client.create_experiment(name)) == "RESOURCE_ALREADY_EXISTS"
assert code_of(lambda: client.search_runs([experiment_id], "metrics.loss >")) == "INVALID_PARAMETER_VALUE"


def names(search, **more):
    return [run.info.run_name for run in client.search_runs([experiment_id], search, **more)]


assert names("metrics.`val/acc` > 0.5 AND params.kernel = 'rbf' AND attributes.status = 'FINISHED'") == ["parent"]
assert len(names(f"tags.mlflow.parentRunId = '{run_id}'")) == 1
assert names("", order_by=["metrics.loss ASC"], max_results=1) == ["parent"]
assert len(client.search_runs([experiment_id], "", max_results=1, order_by=["metrics.loss DESC"])) == 1
page = client.search_runs([experiment_id], "", max_results=1)
assert page.token and client.search_runs([experiment_id], "", max_results=1, page_token=page.token)[0] != page[0]
assert [found.name for found in client.search_experiments(filter_string=f"name = '{name}'")] == [name]
client.set_experiment_tag(experiment_id, "owner", "me")
assert client.get_experiment(experiment_id).tags == {"owner": "me"}

client.log_batch(run_id, [Metric("b", i, 1, i) for i in range(1000)], [], [])
client.log_batch(run_id, [], [Param(f"p{i}", "1") for i in range(100)], [RunTag(f"t{i}", "1") for i in range(100)])
assert len(client.get_metric_history(run_id, "b")) == 1000
client.delete_run(child.info.run_id)
assert code_of(lambda: client.log_metric(child.info.run_id, "loss", 1)) == "INVALID_PARAMETER_VALUE"
assert len(client.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY)) == 1
client.restore_run(child.info.run_id)
client.rename_experiment(experiment_id, name + " 2")
client.delete_experiment(experiment_id)
assert client.get_experiment(experiment_id).lifecycle_stage == client.get_run(run_id).info.lifecycle_stage == "deleted"
client.restore_experiment(experiment_id)
client.set_terminated(client.create_run(experiment_id).info.run_id, "KILLED")
with mlflow.start_run(run_id=run_id):
    mlflow.log_metric("later", 1)
print(run_id)  # noqa: T201
