"""Choosing versions with the real resolver."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from experiments.environments import (
    Canceled,
    EnvironmentSpec,
    Interpreter,
    Lock,
    PipPolicy,
    ResolveError,
    TimedOut,
    choose,
    explain,
    parse_conda_yaml,
    resolve,
)
from tests.environments.conftest import MakeWheel

Resolve = Callable[..., Lock]


@pytest.fixture
def resolve_for(interpreter: Interpreter, uv_path: Path, cache_dir: Path) -> Resolve:
    def run(spec: EnvironmentSpec, python: Interpreter = interpreter, **other: Any) -> Lock:
        settings = {"log": lambda line: None, "cancelled": lambda: False, "uv": uv_path, "cache_dir": cache_dir}
        return resolve(spec, python, **{**settings, "timeout": 60, **other})

    return run


def test_the_newest_versions_that_fit_together_are_pinned(make_wheel: MakeWheel, resolve_for: Resolve) -> None:
    make_wheel("zeta", "1.0")
    make_wheel("zeta", "2.0")
    make_wheel("alpha", "1.5", requires=("zeta<2",))
    lock = resolve_for(EnvironmentSpec(requirements=("alpha",)))
    assert lock.text == "alpha==1.5\nzeta==1.0\n"
    assert lock.packages == (("alpha", "1.5"), ("zeta", "1.0"))
    assert Lock.from_dict(json.loads(json.dumps(lock.as_dict()))) == lock


def test_the_key_is_of_text_python_and_platform() -> None:
    lock = Lock("six==1.0\n", (("six", "1.0"),), "3.6.15", "linux-x86_64")
    assert lock.key == Lock("six==1.0\n", (("six", "1.0"),), "3.6.15", "linux-x86_64").key
    others = {
        Lock("six==1.1\n", (("six", "1.1"),), "3.6.15", "linux-x86_64").key,
        Lock("six==1.0\n", (("six", "1.0"),), "3.6.14", "linux-x86_64").key,
        Lock("six==1.0\n", (("six", "1.0"),), "3.6.15", "linux-aarch64").key,
    }
    assert len(others) == 3 and lock.key not in others


def test_nothing_to_install_needs_no_resolver(interpreter: Interpreter, resolve_for: Resolve) -> None:
    lock = resolve_for(parse_conda_yaml("dependencies: [azureml-core]"), uv=Path("/nowhere/uv"))
    assert (lock.text, lock.packages, lock.python_version) == ("", (), str(interpreter.version))


def test_the_log_says_what_the_portal_provides_and_every_note(make_wheel: MakeWheel, resolve_for: Resolve) -> None:
    make_wheel("zeta", "1.0")
    log: list[str] = []
    resolve_for(parse_conda_yaml("dependencies: [azureml-core, zeta, pip]"), log=log.append)
    assert log[0] == "azureml-core: provided by the portal's own sdk"
    assert any("pip is left out" in line for line in log)
    assert log[-1] == "resolved: 1 package"


def test_versions_that_contradict_each_other_are_explained(make_wheel: MakeWheel, resolve_for: Resolve) -> None:
    make_wheel("zeta", "1.0")
    make_wheel("zeta", "2.0")
    with pytest.raises(ResolveError, match=r"zeta<2 and zeta>=2") as caught:
        resolve_for(EnvironmentSpec(requirements=("zeta<2", "zeta>=2")))
    assert "\x1b" not in caught.value.message


def test_an_unknown_package_is_named_with_a_hint(make_wheel: MakeWheel, resolve_for: Resolve) -> None:
    with pytest.raises(ResolveError, match="no-such-thing") as caught:
        resolve_for(EnvironmentSpec(requirements=("no-such-thing",)))
    assert "spelling" in caught.value.hint


def test_an_index_that_is_away_is_said_without_its_address(
    monkeypatch: pytest.MonkeyPatch, resolve_for: Resolve
) -> None:
    for name in ("UV_NO_INDEX", "UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://me:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(ResolveError) as caught:
        resolve_for(EnvironmentSpec(requirements=("six",)))
    assert "could not be reached" in caught.value.hint
    assert "hunter2" not in str(caught.value) and "127.0.0.1" not in str(caught.value)


def test_an_allowed_find_links_is_used(tmp_path: Path, make_wheel: MakeWheel, resolve_for: Resolve) -> None:
    (tmp_path / "other").mkdir()
    make_wheel("zeta", "3.0").rename(tmp_path / "other" / "zeta-3.0-py3-none-any.whl")
    text = f"dependencies: [{{pip: [zeta, '--find-links {tmp_path}/other']}}]"
    with pytest.raises(ResolveError):
        resolve_for(parse_conda_yaml(text))
    policy = PipPolicy(frozenset({f"{tmp_path}/other"}))
    assert resolve_for(parse_conda_yaml(text, policy=policy)).text == "zeta==3.0\n"


def test_it_ends_when_canceled_and_when_time_is_over(tmp_path: Path, resolve_for: Resolve) -> None:
    slow = tmp_path / "slow-uv"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    spec = EnvironmentSpec(requirements=("six",))
    with pytest.raises(Canceled):
        resolve_for(spec, uv=slow, cancelled=lambda: True)
    with pytest.raises(TimedOut):
        resolve_for(spec, uv=slow, timeout=0.2)


def test_the_article_resolves_as_of_its_day_and_as_of_today(
    interpreters: list[Interpreter], resolve_for: Resolve
) -> None:
    """The one test here that asks the real index."""
    spec = parse_conda_yaml("dependencies: [python=3.6.2, scikit-learn, numpy]")
    if not any(str(each.version).startswith("3.6.") for each in interpreters):
        pytest.skip("no Python 3.6 on this machine")
    python = choose(spec.python, interpreters).interpreter
    then = resolve_for(spec, python, as_of=date(2020, 7, 24))
    assert dict(then.packages)["numpy"] == "1.19.1"
    assert dict(then.packages)["scikit-learn"] == "0.23.1"
    today = resolve_for(spec, python)
    assert dict(today.packages)["scikit-learn"] == "0.24.2"
    assert "scikit-learn 0.23.1 → 0.24.2" in explain(then, today)


def test_a_package_without_wheels_is_not_built_from_source(resolve_for: Resolve, interpreter: Interpreter) -> None:
    with pytest.raises(ResolveError) as caught:
        resolve_for(EnvironmentSpec(requirements=("scikit-learn==0.19.0",)))
    assert "MLPORTAL_SOURCE_BUILDS" in caught.value.hint
