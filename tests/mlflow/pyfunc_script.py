"""Run by a real client: a model that a script of Azure's left, registered by the portal, loads as pyfunc; arrays inside."""

# mypy: ignore-errors

import json
import os
import sys
import tempfile
import urllib.request

import joblib
import mlflow
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

name = sys.argv[1]
features, target = load_iris(return_X_y=True)
forest = RandomForestClassifier(20, random_state=0).fit(features, target)
with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
    joblib.dump(forest, os.path.join(folder, "model.joblib"))
    mlflow.log_artifact(os.path.join(folder, "model.joblib"), "outputs")
request = urllib.request.Request(
    os.environ["MLFLOW_TRACKING_URI"] + "/api/v1/workspaces/default/models/",
    json.dumps({"run": run.info.run_id, "path": "outputs/model.joblib", "name": name}).encode(),
    {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"},
)
assert json.load(urllib.request.urlopen(request))["version"] == 1
loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
assert (loaded.predict(features) == forest.predict(features)).all()
assert loaded.metadata.run_id == run.info.run_id
print(run.info.run_id)  # noqa: T201
