"""The model that all serve: a linear SVC on iris, in one file; and what is right to answer."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.environments import python_of

FIT = """import json, sys
import joblib
from sklearn.datasets import load_iris
from sklearn.svm import SVC
from sklearn.utils import shuffle
data, target = load_iris(return_X_y=True)
data, target = shuffle(data, target, random_state=0)
for name, penalty in (("model", 1.0), ("other", 2.0)):
    model = SVC(kernel="linear", C=penalty).fit(data, target)
    joblib.dump(model, f"{sys.argv[1]}/{name}.joblib")
    labels = [int(each) for each in model.predict(data[:100])]
    print(json.dumps({"rows": data[:100].tolist(), "labels": labels}))
"""


@dataclass(frozen=True)
class Model:
    """`other` is another version of it, which answers the first row as `path` does."""

    path: Path
    other: Path
    rows: list[list[float]]
    labels: list[int]


def fit(folder: Path) -> Model:
    done = subprocess.run(
        [str(python_of("bare")), "-c", FIT, str(folder)], stdout=subprocess.PIPE, text=True, check=True
    )
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["labels"][0] == second["labels"][0]
    return Model(folder / "model.joblib", folder / "other.joblib", first["rows"], first["labels"])
