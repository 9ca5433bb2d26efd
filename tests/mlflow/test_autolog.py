"""A script of MLflow's kind, submitted unchanged: autolog attaches to the run, whose page has all that came of it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.mlflow.conftest import Mlflow
from tests.portal import Portal

SCRIPT = """
import mlflow
from sklearn.datasets import load_iris
from sklearn.svm import SVC

mlflow.autolog()
features, target = load_iris(return_X_y=True)
SVC(kernel="linear").fit(features, target)
with mlflow.start_run(nested=True, run_name="inner"):
    mlflow.log_metric("inside", 1.0)
mlflow.autolog(disable=True)
"""
ENVIRONMENT = f"""dependencies:
- python={sys.version_info.major}.{sys.version_info.minor}
- pip:
  - mlflow-skinny
  - scikit-learn
  - pandas
  - matplotlib
  - skops
"""


def test_autolog_attaches_to_the_run(portal: Portal, api: Mlflow, tmp_path: Path) -> None:
    folder = tmp_path / "autolog"
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    with portal.client() as client:
        uid = client.submit(folder, "train.py", ENVIRONMENT)
        run = client.wait(uid, seconds=280)
        assert run["status"] == "Completed", client.log(uid)
        (child,) = client.get("runs/", parent=uid)["results"]
        assert child["name"] == "inner"
        assert {item["id"] for item in client.get("runs/", experiment="autolog")["results"]} == {uid, child["id"]}
        names = {metric["name"]: metric["last"] for metric in client.get(f"runs/{uid}/metrics/")}
        assert names["training_accuracy_score"] > 0.9 and "inside" not in names
        files = [file["path"] for file in client.get(f"runs/{uid}/artifacts/")["results"]]
        assert "training_confusion_matrix.png" in files
        (logged,) = client.get(f"runs/{uid}/logged-models/")["results"]
        assert logged["status"] == "READY" and "MLmodel" in [file["path"] for file in logged["files"]]
        version = client.post("models/", {"logged_model": logged["id"], "name": "autologged"})
        assert (version["run"], version["environment"]["name"]) == (uid, "autolog")
    assert api.data(uid, "params")["kernel"] == "linear"
    assert api.run(uid)["outputs"]["model_outputs"][0]["model_id"] == logged["id"]
