"""Environments of a past scikit-learn, from the real index: the packages of each go together, and an old pickle loads."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import uv

from experiments import environments as conda
from models_registry.services.scikit_learn import PERIODS, definition_of
from tests.shared import UV_CACHE


def how() -> dict[str, Any]:
    return {
        "log": lambda line: None,
        "cancelled": lambda: False,
        "uv": Path(uv.find_uv_bin()),
        "cache_dir": UV_CACHE,
        "timeout": 240,
    }


def resolved(version: str) -> tuple[conda.Lock, conda.Interpreter]:
    spec = conda.parse_conda_yaml(definition_of(version))
    interpreter = conda.choose(spec.python, conda.discover(), as_of=spec.as_of).interpreter
    return conda.resolve(spec, interpreter, as_of=spec.as_of, allow_source_builds=False, **how()), interpreter


@pytest.mark.parametrize("minor", [minor for minor in PERIODS if minor != "0.19"])
def test_the_packages_of_a_time_go_together(minor: str) -> None:
    lock, _ = resolved(minor)
    packages = dict(lock.packages)
    assert packages["scikit-learn"].startswith(f"{minor}.")
    assert {"numpy", "scipy", "joblib", "pandas"} <= packages.keys()


def test_a_model_of_the_article_s_time_can_be_loaded(tmp_path: Path) -> None:
    """Pickles of 0.19 name modules that later versions do not have."""
    lock, interpreter = resolved("0.19.1")
    built = conda.build(lock, interpreter, tmp_path / "environments", **how())
    code = (
        "from sklearn.linear_model.ridge import Ridge; from sklearn.externals import joblib; "
        "print(Ridge().fit([[0], [1]], [0, 1]).predict([[1]]).shape)"
    )
    done = subprocess.run([built.python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(1,)\n"


@pytest.mark.parametrize("version", ["", "newest", ">=1.2", "0.17", "99.1", "1.2.0; import os", "1.2.0\n- pip"])
def test_what_is_no_known_version_has_no_definition(version: str) -> None:
    assert definition_of(version) == ""
