"""Run by a real client: fills an MLflow server or a folder `mlruns` with one of everything that is to be moved.

All names begin with the argument. Prints `KEY VALUE` lines: the ids of what it has made.
"""

# mypy: ignore-errors

import math
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

prefix = sys.argv[1]
client = MlflowClient()
is_3 = int(mlflow.__version__.split(".")[0]) >= 3
say = lambda key, value: print(key, value)  # noqa: E731, T201

churn = client.create_experiment(
    f"{prefix}team/churn model", tags={"owner": "größe", "mlflow.note.content": "what it is for"}
)
say("churn", churn)
old = client.create_experiment(f"{prefix}given up")
client.delete_run(client.create_run(churn, run_name="thrown away").info.run_id)
lost = client.create_run(old, run_name="in the trash")
client.log_metric(lost.info.run_id, "loss", 1.5)
client.delete_experiment(old)
say("nothing", client.create_experiment(f"{prefix}without runs"))

start = 1_600_000_000_123
parent = client.create_run(
    churn,
    start_time=start,
    run_name="parent",
    tags={"mlflow.user": "ada", "mlflow.source.name": "train.py", "team": "blue"},
)
run_id = parent.info.run_id
say("parent", run_id)
client.log_batch(
    run_id, [], [Param("depth", "3"), Param("a b/c", "größer"), Param("empty", ""), Param("lines", "a\nb")], []
)
client.log_batch(
    run_id,
    [],
    [],
    [RunTag("empty", ""), RunTag("several lines", "one\n\ntwo\n"), RunTag("mlflow.source.git.commit", "abc")],
)
values = [0.5, float("nan"), math.inf, -math.inf, 0.1 + 0.2, 5e-324, 1.7976931348623157e308]
client.log_batch(run_id, [Metric("loss", v, start + 10 * i, i - 2) for i, v in enumerate(values)], [], [])
client.log_batch(run_id, [Metric("val/acc", i / 3000, start + i % 7, i) for i in range(1000)], [], [])
client.log_batch(run_id, [Metric("val/acc", i / 3000, start + i % 7, i) for i in range(1000, 2000)], [], [])
client.log_inputs(
    run_id,
    [
        DatasetInput(
            Dataset("iris", "d1", "local", '{"uri": "iris.csv"}', '{"a": "long"}', '{"rows": 150}'),
            [InputTag("mlflow.data.context", "training"), InputTag("fold", "1")],
        ),
        DatasetInput(Dataset("iris", "d2", "local", "{}"), []),
    ],
)
with tempfile.TemporaryDirectory() as folder:
    os.makedirs(os.path.join(folder, "deep", "er"))
    with open(os.path.join(folder, "deep", "er", "bytes.bin"), "wb") as file:
        file.write(bytes(range(256)) * 5000)
    with open(os.path.join(folder, "t ü.txt"), "w") as file:
        file.write("größer")
    with open(os.path.join(folder, "empty"), "w"):
        pass
    client.log_artifacts(run_id, folder)
child = client.create_run(
    churn, start_time=start + 5, tags={"mlflow.parentRunId": run_id}, run_name="child"
).info.run_id
say("child", child)
client.log_metric(child, "loss", 2.0, timestamp=start + 6, step=0)
client.set_terminated(child, "FAILED", start + 5000)
client.set_terminated(run_id, "FINISHED", start + 10_000)
killed = client.create_run(churn).info.run_id
client.set_terminated(killed, "KILLED")
say("running", client.create_run(churn, run_name="goes on").info.run_id)
say("default", client.create_run("0", run_name="of Default").info.run_id)

os.environ["GIT_PYTHON_REFRESH"] = "quiet"


class Double(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input]


mlflow.set_experiment(experiment_id=churn)
with mlflow.start_run(run_name="with a model") as run:
    place = {"name": "double"} if is_3 else {"artifact_path": "double"}
    info = mlflow.pyfunc.log_model(
        python_model=Double(),
        **place,
        pip_requirements=["mlflow"],
        registered_model_name=f"{prefix}Double it",
        metadata={"a": 1},
    )
    if is_3:
        say("model", info.model_id)
        mlflow.log_metric("score", 0.75, step=4, model_id=info.model_id)
        client.set_logged_model_tags(info.model_id, {"stage": "tried"})
        client.log_model_params(info.model_id, {"depth": "7"})
say("model-run", run.info.run_id)
if is_3:
    from mlflow.entities import LoggedModelInput

    client.log_inputs(child, models=[LoggedModelInput(info.model_id)])
    unready = client.create_logged_model(churn, name="unready", tags={"x": "y"}, model_type="agent")
    say("unready", unready.model_id)
    gone = client.create_logged_model(churn, name="gone")
    client.delete_logged_model(gone.model_id)
if is_3:
    again = {"source": f"models:/{info.model_id}", "run_id": run.info.run_id, "model_id": info.model_id}
else:
    again = {"source": f"{run.info.artifact_uri}/double", "run_id": run.info.run_id}
client.create_model_version(f"{prefix}Double it", **again, description="the second", tags={"k": "v"})
client.create_model_version(f"{prefix}Double it", **again)
client.delete_model_version(f"{prefix}Double it", "2")
client.set_registered_model_alias(f"{prefix}Double it", "champion", "3")
client.set_registered_model_tag(f"{prefix}Double it", "team", "blue")
client.update_registered_model(f"{prefix}Double it", "doubles\nwhat it is given")
client.transition_model_version_stage(f"{prefix}Double it", "1", "Production")
client.create_registered_model(f"{prefix}nothing in it", description="yet")
