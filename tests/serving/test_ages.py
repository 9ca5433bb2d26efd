"""Models of every age: written with scikit-learn 0.19 to today's in Pythons of that time, and served there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_registry.services.scikit_learn import PERIODS, WITH_SETUPTOOLS
from tests.serving.conftest import Memory
from tests.serving.nursing import Nursery, same, served
from tests.shared import ENVIRONMENTS

TRAIN = Path(__file__).with_name("train_of_age.py")
# The pandas of 0.19's time has no valid metadata today: a later one, which that Python still takes.
PANDAS = {"0.19": "pandas==1.1.5"}
# All of PERIODS were tried by hand, and answer; each of these has something that its neighbours have not.
AGES = ("0.19", "0.21", "0.22", "1.0", "1.3", "1.7")


@pytest.fixture(scope="module", params=AGES)
def aged(request: pytest.FixtureRequest, folder: Path, memory: Memory) -> Iterator[tuple[Nursery, Path]]:
    """(model workers of an environment of that time, the folder of what was trained there)."""
    python, as_of = PERIODS[request.param]
    uv = Path(sys.executable).with_name("uv")
    interpreter = next(iter(sorted(Path.home().glob(f".pyenv/versions/{python}.*/bin/python"))), None)
    if interpreter is None:
        pytest.skip(f"there is no Python {python} on this machine")
    place = ENVIRONMENTS / f"scikit-learn-{request.param}"  # made once on a machine
    if not (place / "bin" / "python").exists():
        subprocess.run([uv, "venv", "-q", "--python", interpreter, place], check=True)
    packages = [f"scikit-learn=={request.param}.*", "numpy", "scipy", "joblib", PANDAS.get(request.param, "pandas")]
    packages += ["setuptools"] if request.param in WITH_SETUPTOOLS else []
    dated = [] if request.param in PANDAS else ["--exclude-newer", as_of]
    build: list[str | Path] = [
        uv,
        "pip",
        "install",
        "-q",
        "--python",
        place / "bin" / "python",
        "--only-binary",
        ":all:",
        *dated,
    ]
    built = subprocess.run([*build, *packages], capture_output=True, text=True)
    if built.returncode:
        pytest.fail(f"the packages of that age cannot be had here: {built.stderr}")
    trained = folder / f"age-{request.param}"
    trained.mkdir()
    subprocess.run([place / "bin" / "python", TRAIN, trained], check=True)
    nursery = Nursery(folder, memory, place / "bin" / "python")
    yield nursery, trained
    nursery.close()
    shutil.rmtree(trained)


def test_each_kind_answers_in_every_format_as_where_it_was_trained(
    http: httpx.Client, aged: tuple[Nursery, Path]
) -> None:
    nursery, trained = aged
    cases: dict[str, list[dict[str, Any]]] = json.loads((trained / "cases.json").read_text())
    assert len(cases) >= 7
    for name, asked in cases.items():
        (file,) = trained.glob(f"{name}.[jp]*")
        with served(nursery, name, file) as describe:
            for case in asked:
                assert case["method"] in describe["methods"]
                for body, path in bodies(name, case):
                    answer = http.post(f"/services/{name}/{path}", json=body)
                    assert answer.status_code == 200, (describe, body, answer.text)
                    said = answer.json()
                    got = said["predictions"] if path == "invocations" else said
                    got = said["outputs"][0]["data"] if "v2" in path else got
                    expected = flat(case["answer"]) if "v2" in path else case["answer"]
                    assert same(got, expected), (name, describe["versions"], body, got, expected)


def bodies(name: str, case: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    rows, columns, method = case["rows"], case["columns"], case["method"]
    split = {"columns": columns, "data": rows} if columns else {"data": rows}
    yield {"data": rows, "method": method}, "score"
    yield {"dataframe_split": split, "method": method}, "invocations"
    yield {"instances": rows, "method": method}, "invocations"
    if columns:
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        yield {"dataframe_records": records, "method": method}, "invocations"
        turned = {"columns": columns[::-1], "data": [row[::-1] for row in rows]}
        yield {"dataframe_split": turned, "method": method}, "invocations"
        inputs = [tensor(label, [row[place] for row in rows]) for place, label in enumerate(columns)]
    else:
        inputs = [tensor("input", rows)]
    yield {"inputs": inputs, "parameters": {"method": method}}, f"v2/models/{name}/infer"


def tensor(name: str, data: list[Any]) -> dict[str, Any]:
    shape = [len(data), len(data[0])] if isinstance(data[0], list) else [len(data)]
    kind = "BYTES" if isinstance(flat(data)[0], str) else "FP64"
    return {"name": name, "shape": shape, "datatype": kind, "data": flat(data)}


def flat(value: Any) -> list[Any]:
    return [cell for item in value for cell in flat(item)] if isinstance(value, list) else [value]
