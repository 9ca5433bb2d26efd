"""The examples, as a run executes them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
import yaml
from sklearn.datasets import load_iris

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

Records = Callable[[], list[dict[str, Any]]]
Train = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def train(run_directory: Path, run_environment: dict[str, str]) -> Train:
    """Executes an example with arguments in the run's working directory, on this interpreter."""

    def execute(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLES / script), *arguments]
        return subprocess.run(
            command, cwd=run_directory / "work", env=run_environment, capture_output=True, text=True, check=False
        )

    return execute


@pytest.fixture
def numpy_of_2020(tmp_path: Path, run_environment: dict[str, str]) -> None:
    """Puts the names back that numpy had when the article was written."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import numpy\nnumpy.float, numpy.str = float, str\n")
    run_environment["PYTHONPATH"] += f":{tmp_path / 'site'}"


@pytest.mark.usefixtures("numpy_of_2020")
def test_iris_logs_the_accuracy_of_the_article_and_leaves_a_model(
    train: Train, records: Records, run_directory: Path
) -> None:
    done = train("iris/train_iris.py")
    assert done.returncode == 0, done.stderr
    assert records() == [
        {"k": "text", "n": "Kernel type", "v": "linear"},
        {"k": "scalar", "n": "Penalty", "v": 1.0, "s": None},
        {"k": "scalar", "n": "Accuracy", "v": 0.9736842105263158, "s": None},
    ]
    assert "[ 0 15  1]" in done.stdout
    model = joblib.load(run_directory / "work/outputs/model.joblib")
    iris = load_iris()
    assert model.score(iris.data, iris.target) > 0.95


@pytest.mark.usefixtures("numpy_of_2020")
def test_iris_takes_kernel_and_penalty(train: Train, records: Records) -> None:
    assert train("iris/train_iris.py", "--kernel", "rbf", "--penalty", "0.5").returncode == 0
    assert [record["v"] for record in records()][:2] == ["rbf", 0.5]


def test_iris_stumbles_over_numpy_of_today(train: Train) -> None:
    done = train("iris/train_iris.py")
    assert done.returncode == 1
    assert "module 'numpy' has no attribute 'str'" in done.stderr


def test_boosting_logs_one_falling_loss_for_each_round(train: Train, records: Records, run_directory: Path) -> None:
    done = train("boosting/train_boosting.py", "--rounds", "60", "--seconds", "0")
    assert done.returncode == 0, done.stderr
    *losses, accuracy = records()
    assert [record["s"] for record in losses] == list(range(1, 61))
    assert losses[-1]["v"] < losses[0]["v"]
    assert accuracy["n"] == "accuracy"
    assert "round 60 of 60: loss" in done.stdout
    assert (run_directory / "work/outputs/model.joblib").stat().st_size > 0
    assert "round 60 loss" in (run_directory / "work/logs/training.log").read_text()


def test_failing_shows_the_way_to_the_misspelt_column(train: Train, records: Records) -> None:
    done = train("failing/train_failing.py")
    assert done.returncode == 1
    assert done.stderr.endswith("KeyError: 'petal lenght (cm)'\n")
    assert done.stderr.count('train_failing.py", line') >= 4
    assert {"k": "scalar", "n": "rows", "v": 150, "s": None} in records()


def test_the_articles_environment_is_there_with_and_without_its_day() -> None:
    article = (EXAMPLES / "iris/sklearn-env.yml").read_text()
    assert yaml.safe_load(article) == {
        "name": "sklearn-training-env",
        "dependencies": ["python=3.6.2", "scikit-learn", "numpy", {"pip": ["azureml-defaults"]}],
    }
    dated = (EXAMPLES / "iris/sklearn-env-as-of-2020.yml").read_text()
    assert dated == "# as-of: 2020-07-24\n" + article
