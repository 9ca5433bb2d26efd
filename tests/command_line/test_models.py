"""From a run's file to a prediction, by commands alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conftest import Run
from tests.portal import Client

ENVIRONMENT = """name: iris-env
dependencies:
  - python=3.11
  - scikit-learn
  - joblib
"""
TRAIN = """
import os, joblib
from sklearn.datasets import load_iris
from sklearn.svm import SVC
x, y = load_iris(return_X_y=True)
os.makedirs("outputs", exist_ok=True)
joblib.dump(SVC(probability=True).fit(x, y), "outputs/model.joblib")
"""
FLOWER = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture
def trained(mlportal: Run, folder: Path) -> str:
    (folder / "environment.yml").write_text(ENVIRONMENT)
    (folder / "train.py").write_text(TRAIN)
    done = mlportal("run", "train.py", "--experiment", "models", "--json")
    assert done.status == 0, done.err
    uid: str = done.json[-1]["run"]["id"]
    return uid


def test_register_deploy_predict(trained: str, mlportal: Run, folder: Path, client: Client) -> None:
    done = mlportal("register", "outputs/model.joblib", "--run", trained, "--name", "iris", "--tag", "area=iris")
    assert (done.status, done.out) == (0, "iris:1\n"), done.err
    assert client.get("models/iris/versions/1/")["tags"] == {"area": "iris"}

    missing = mlportal("deploy", "irs")
    assert missing.status == 4 and "Did you mean iris?" in missing.err
    done = mlportal("deploy", "iris:1", "--name", "flowers")
    assert done.status == 0, done.err
    assert done.out.endswith("/services/flowers/score\n")
    taken = mlportal("deploy", "iris", "--name", "flowers")
    assert taken.status == 6 and "already" in taken.err

    assert json.loads(mlportal("predict", "flowers", json.dumps([FLOWER])).out) == [0]
    assert json.loads(mlportal("predict", "flowers", json.dumps(FLOWER)).out) == [0]
    [chances] = json.loads(mlportal("predict", "flowers", json.dumps([FLOWER]), "--method", "predict_proba").out)
    assert len(chances) == 3 and chances[0] > 0.9
    assert json.loads(mlportal("predict", "flowers", "-", stdin=json.dumps({"data": [FLOWER]})).out) == [0]
    (folder / "rows.csv").write_text("a,b,c,d\n5.1,3.5,1.4,0.2\n6.5,3.0,5.5,1.8\n")
    assert json.loads(mlportal("predict", "flowers", "@rows.csv").out) == [0, 2]
    scored = mlportal("predict", "flowers", "@rows.csv", "--csv").out.splitlines()
    assert scored[0].endswith(",prediction") and [line[-2:] for line in scored[1:]] == [",0", ",2"]
    assert mlportal("predict", "flowers", "[[1]]", "--csv").status == 2
    refused = mlportal("predict", "flowers", "[[1]]")
    assert refused.status == 6 and "the model takes 4" in refused.err
    assert mlportal("predict", "flowrs", "[[1]]").status == 4
    assert mlportal("predict", "flowers", "{").status == 2

    assert mlportal("download", "--model", "iris:1", "-o", "model").status == 0
    [file] = [path for path in (folder / "model").rglob("*") if path.is_file()]

    done = mlportal(
        *("register", str(file), "--name", "iris", "--env", "iris-env", "--framework-version", "1.5"), "--json"
    )
    assert done.status == 0, done.err
    version: Any = done.json[0]
    assert (version["version"], version["run"], version["environment"]["name"]) == (2, None, "iris-env")
    done = mlportal("deploy", "iris:2", "--name", "flowers", "--update")
    assert done.status == 0, done.err
    assert json.loads(mlportal("predict", "flowers", json.dumps([FLOWER])).out) == [0]


def test_a_service_is_scaled_split_and_rolled_back(trained: str, mlportal: Run, client: Client) -> None:
    for _ in range(2):
        made = mlportal("register", "outputs/model.joblib", "--run", trained, "--name", "split")
        assert made.status == 0, made.err
    assert mlportal("deploy", "split:1", "--name", "halves").status == 0

    def service() -> Any:
        return client.get("deployments/halves/")

    assert mlportal("scale", "halves", "--min", "1", "--max", "3").out == "halves: 1 to 3 replicas by load, 1 now\n"
    assert (service()["scaling"]["min_replicas"], service()["scaling"]["max_replicas"]) == (1, 3)
    assert mlportal("scale", "halves", "--replicas", "2", "--max", "3").status == 2
    assert mlportal("scale", "halves", "--replicas", "0").status == 6
    assert service()["scaling"]["max_replicas"] == 3
    assert mlportal("scale", "halves", "--replicas", "1").out == "halves: 1 replica\n"
    assert mlportal("scale", "halves", "--json").json[0]["scaling"]["max_replicas"] == 1
    missing = mlportal("scale", "halfs", "--replicas", "1")
    assert missing.status == 4 and "Did you mean halves?" in missing.err

    early = mlportal("rollback", "halves")
    assert early.status == 6 and "before this one" in early.err
    assert mlportal("candidate", "halves").out == "halves: split:1 100 %\n"
    assert mlportal("candidate", "halves", "--promote").status == 6
    done = mlportal("candidate", "halves", "split", "--percent", "10", "--mirror", "50")
    assert done.out == "halves: split:1 90 %, split:2 10 % and copies of 50 % of the others\n", done.err
    done = mlportal("candidate", "halves", "--percent", "30", "--mirror", "0")
    assert done.out == "halves: split:1 70 %, split:2 30 %\n", done.err
    assert mlportal("candidate", "halves", "--percent", "101").status == 6
    assert mlportal("candidate", "halves", "--remove", "--percent", "5").status == 2
    assert service()["candidate"]["percent"] == 30
    assert mlportal("candidate", "halves", "--remove").out == "halves: split:1 100 %\n"
    assert service()["candidate"] is None

    assert mlportal("candidate", "halves", "split:2", "--percent", "10").status == 0
    done = mlportal("candidate", "halves", "--promote")
    assert (done.status, done.out) == (0, "halves: split:2 100 %\n"), done.err
    assert service()["live_version"] == "split:2"
    done = mlportal("rollback", "halves")
    assert (done.status, done.out) == (0, "halves: split:1 100 %\n"), done.err
    assert service()["live_version"] == "split:1"
    assert json.loads(mlportal("predict", "halves", json.dumps([FLOWER])).out) == [0]


def test_a_model_that_is_not_there_is_said_before_anything_is_sent(mlportal: Run) -> None:
    done = mlportal("register", "no-such.joblib", "--name", "x")
    assert done.status == 2 and "--run" in done.err
