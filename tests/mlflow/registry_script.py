"""Run by a real client: what people do with models, from autolog to a stage, each answer compared with what was sent."""

# mypy: ignore-errors

import os
import sys
import tempfile

import mlflow
import numpy
import sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from sklearn.svm import SVC

name = sys.argv[1]
client = MlflowClient()
is_3 = int(mlflow.__version__.split(".")[0]) >= 3
features, target = load_iris(return_X_y=True)
# Said here, or the client finds them out by loading the model once more.
pins = [f"scikit-learn=={sklearn.__version__}", f"numpy=={numpy.__version__}", "skops"]
here = {"name": "model"} if is_3 else {"artifact_path": "model"}


def code_of(call):
    try:
        call()
    except MlflowException as error:
        return error.error_code
    raise AssertionError("nothing was raised")


def same(uri):
    """It loads, and predicts as the estimator does here."""
    assert (mlflow.sklearn.load_model(uri).predict(features) == svc.predict(features)).all(), uri
    assert (mlflow.pyfunc.load_model(uri).predict(features) == svc.predict(features)).all(), uri


experiment_id = mlflow.set_experiment(f"of {name}").experiment_id
mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run() as first:
    svc = SVC(kernel="linear").fit(features, target)
    logged = mlflow.sklearn.log_model(
        svc, **here, input_example=features[:2], registered_model_name=name, pip_requirements=pins
    )
mlflow.sklearn.autolog(disable=True)
run_id = first.info.run_id
assert client.get_run(run_id).data.params["kernel"] == "linear"
assert client.get_run(run_id).data.metrics["training_accuracy_score"] > 0.9

one = client.get_model_version(name, "1")
assert (one.name, str(one.version), one.run_id, one.status) == (name, "1", run_id, "READY")
same(f"models:/{name}/1")
same(f"runs:/{run_id}/model")
two = mlflow.register_model(f"runs:/{run_id}/model", name)
assert str(two.version) == "2"
same(f"models:/{name}/2")

client.set_registered_model_alias(name, "champion", "1")
assert str(client.get_model_version_by_alias(name, "champion").version) == "1"
same(f"models:/{name}@champion")
client.set_registered_model_alias(name, "champion", "2")
assert client.get_registered_model(name).aliases == {"champion": "2"}
assert client.get_model_version(name, "2").aliases == ["champion"] and client.get_model_version(name, "1").aliases == []
client.delete_registered_model_alias(name, "champion")
assert code_of(lambda: client.get_model_version_by_alias(name, "champion")) == "INVALID_PARAMETER_VALUE"
assert code_of(lambda: client.set_registered_model_alias(name, "v1", "1")) == "INVALID_PARAMETER_VALUE"

client.transition_model_version_stage(name, "1", "Staging")
assert [str(v.version) for v in client.get_latest_versions(name, ["Staging"])] == ["1"]
same(f"models:/{name}/Staging")
client.transition_model_version_stage(name, "2", "staging", archive_existing_versions=True)
assert client.get_model_version(name, "1").current_stage == "Archived"
assert {v.current_stage: str(v.version) for v in client.get_latest_versions(name)} == {"Archived": "1", "Staging": "2"}
assert code_of(lambda: client.transition_model_version_stage(name, "2", "Shelf")) == "INVALID_PARAMETER_VALUE"

client.update_registered_model(name, "of the whole")
client.set_registered_model_tag(name, "team", "blue")
client.set_registered_model_tag(name, "gone", "1")
client.delete_registered_model_tag(name, "gone")
found = client.get_registered_model(name)
assert (found.description, found.tags) == ("of the whole", {"team": "blue"})
client.update_model_version(name, "1", "the first")
client.set_model_version_tag(name, "1", "checked", "yes")
client.set_model_version_tag(name, "1", "gone", "1")
client.delete_model_version_tag(name, "1", "gone")
one = client.get_model_version(name, "1")
assert (one.description, one.tags) == ("the first", {"checked": "yes"})

assert [m.name for m in client.search_registered_models(f"name = '{name}'")] == [name]
assert [m.name for m in client.search_registered_models("tags.team = 'blue' AND name LIKE '%" + name[-5:] + "'")] == [
    name
]
assert client.search_registered_models("name = 'nothing'") == []
by_number = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])
assert [str(v.version) for v in by_number] == ["1", "2"]
assert len(client.search_model_versions(f"run_id = '{run_id}' and tags.checked = 'yes'")) == 1
page = client.search_model_versions(f"name = '{name}'", max_results=1)
assert page.token and client.search_model_versions(f"name = '{name}'", max_results=1, page_token=page.token)
assert code_of(lambda: client.search_registered_models("size > 3")) == "INVALID_PARAMETER_VALUE"

copied = client.copy_model_version(f"models:/{name}/1", f"{name} copy")
assert (copied.name, str(copied.version)) == (f"{name} copy", "1")
same(f"models:/{name} copy/1")
client.rename_registered_model(f"{name} copy", f"{name} moved")
same(f"models:/{name} moved/1")
assert code_of(lambda: client.create_registered_model(name)) == "RESOURCE_ALREADY_EXISTS"
assert code_of(lambda: client.rename_registered_model(f"{name} moved", name)) == "RESOURCE_ALREADY_EXISTS"
assert code_of(lambda: client.get_registered_model("nothing")) == "RESOURCE_DOES_NOT_EXIST"
assert code_of(lambda: client.get_model_version(name, "99")) == "RESOURCE_DOES_NOT_EXIST"
for source in ("file:///etc/passwd", "s3://bucket/model", "mlflow-artifacts:/0/../../etc", f"runs:/{run_id}/nothing"):
    code = code_of(lambda source=source: client.create_model_version(name, source))
    assert code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"), (source, code)
assert len(client.search_model_versions(f"name = '{name}'")) == 2
client.delete_model_version(f"{name} moved", "1")
client.delete_registered_model(f"{name} moved")
assert code_of(lambda: client.get_registered_model(f"{name} moved")) == "RESOURCE_DOES_NOT_EXIST"

if is_3:
    model = mlflow.get_logged_model(logged.model_id)
    assert (model.name, model.source_run_id, str(model.status)) == ("model", run_id, "READY")
    outputs = client.get_run(run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [logged.model_id]
    same(f"models:/{logged.model_id}")
    client.set_logged_model_tags(logged.model_id, {"stage": "new", "gone": "1"})
    client.delete_logged_model_tag(logged.model_id, "gone")
    assert mlflow.get_logged_model(logged.model_id).tags["stage"] == "new"
    assert code_of(lambda: client.delete_logged_model_tag(logged.model_id, "gone")) == "RESOURCE_DOES_NOT_EXIST"
    with mlflow.start_run():
        other = mlflow.create_external_model(name="outside", params={"depth": "3"}, model_type="agent")
        mlflow.log_metric("accuracy", 0.75, model_id=other.model_id)
        mlflow.log_metric("accuracy", 0.5, model_id=logged.model_id)
        mlflow.log_metric("accuracy", float("nan"), step=-1, model_id=logged.model_id)
    metrics = {metric.key: metric.value for metric in mlflow.get_logged_model(other.model_id).metrics}
    assert metrics == {"accuracy": 0.75}

    def search(text="", **more):
        return [m.name for m in client.search_logged_models([experiment_id], text, **more)]

    assert search() == ["outside", "model"]
    assert search("metrics.accuracy > 0.6") == search("params.depth = '3'") == ["outside"]
    assert search("name = 'model' AND tags.stage = 'new'") == search(f"source_run_id = '{run_id}'") == ["model"]
    assert search(order_by=[{"field_name": "metrics.accuracy", "ascending": True}]) == ["model", "outside"]
    page = client.search_logged_models([experiment_id], max_results=1)
    assert page.token and len(client.search_logged_models([experiment_id], max_results=1, page_token=page.token)) == 1
    assert code_of(lambda: search("name >")) == "INVALID_PARAMETER_VALUE"
    three = mlflow.register_model(f"models:/{logged.model_id}", name)
    assert str(three.version) == "3" and logged.model_id in client.get_model_version(name, "3").source
    client.delete_logged_model(other.model_id)
    assert search() == ["model"]
    assert code_of(lambda: client.get_logged_model("m-" + "0" * 32)) == "RESOURCE_DOES_NOT_EXIST"
    with tempfile.TemporaryDirectory() as folder:
        client.download_artifacts(run_id, "model", folder)
        assert os.path.exists(os.path.join(folder, "model", "MLmodel"))
assert numpy.isfinite(svc.predict(features)).all()
print(run_id)  # noqa: T201
