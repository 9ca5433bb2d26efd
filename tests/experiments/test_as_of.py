"""The same environment as of a day: a Python of that day goes with the packages."""

from __future__ import annotations

from datetime import date

import pytest

from experiments import services
from experiments.models import ComputeNode, ComputeTarget, EnvironmentVersion
from mlportal.access.models import User, Workspace
from tests.experiments.conftest import Submit

SUMMER_2020 = date(2020, 7, 24)
BEFORE_NUMPY_1_24 = date(2022, 12, 17)
EVERY = ("3.6.15", "3.8.18", "3.10.13", "3.11.7", "3.12.1")


def has(target: ComputeTarget, *versions: str, name: str = "box") -> None:
    """A machine of the target reports these Pythons."""
    pythons = [{"version": version, "source": "pyenv", "platform": "linux-x86_64"} for version in versions]
    node, _ = ComputeNode.objects.update_or_create(name=name, defaults={"details": {"pythons": pythons}})
    node.targets.add(target)


def curated(workspace: Workspace, name: str) -> EnvironmentVersion:
    services.install_curated(workspace)
    return EnvironmentVersion.objects.get(environment__workspace=workspace, environment__name=name)


def python_for(version: EnvironmentVersion, target: ComputeTarget) -> str:
    assert version.as_of is not None
    interpreter = services.check_definition(version.definition, as_of=version.as_of, target=target).interpreter
    assert interpreter is not None
    return str(interpreter.version)


@pytest.mark.parametrize(("day", "python"), [(SUMMER_2020, "3.8.18"), (BEFORE_NUMPY_1_24, "3.10.13")])
def test_a_curated_environment_gives_up_its_python_for_one_of_the_day(
    submit: Submit, workspace: Workspace, owner: User, target: ComputeTarget, day: date, python: str
) -> None:
    has(target, *EVERY)
    first = submit(environment_version=curated(workspace, "sklearn-today"))
    again = services.rerun(first, as_of=day, by=owner).environment_version
    assert again is not None
    assert (again.environment.name, again.as_of) == (f"sklearn-today-as-of-{day}", day)
    assert python_for(again, target) == python
    assert "  - python  # " in again.definition and "scikit-learn" in again.definition
    assert any(python in note["text"] for note in again.notes)


def test_a_curated_environment_keeps_a_python_that_the_day_knows(
    submit: Submit, workspace: Workspace, owner: User, target: ComputeTarget
) -> None:
    has(target, *EVERY)
    first = submit(environment_version=curated(workspace, "sklearn-today"))
    again = services.rerun(first, as_of=date(2024, 6, 15), by=owner).environment_version
    assert again is not None and first.environment_version is not None
    assert again.definition == first.environment_version.definition


def test_a_yaml_without_a_python_gets_one_of_the_day(
    submit: Submit, workspace: Workspace, owner: User, target: ComputeTarget
) -> None:
    has(target, *EVERY)
    version = services.add_version(workspace, "mine", "dependencies:\n  - numpy\n", by=owner)
    again = services.rerun(submit(environment_version=version), as_of=SUMMER_2020, by=owner).environment_version
    assert again is not None and python_for(again, target) == "3.8.18"
    assert services.rerun_problem(version, SUMMER_2020, target=target) == ""


def test_a_person_who_names_a_python_keeps_it_and_is_told_why_the_rerun_is_of_no_use(
    workspace: Workspace, owner: User, target: ComputeTarget
) -> None:
    has(target, *EVERY)
    text = "dependencies:\n  - python=3.12\n  - numpy\n"
    version = services.add_version(workspace, "mine", text, by=owner)
    problem = services.rerun_problem(version, SUMMER_2020, target=target)
    assert "Python 3.12" in problem and "2023-10-02" in problem
    again = services.add_version(workspace, "mine", text, as_of=SUMMER_2020, by=owner)
    assert "2023-10-02" in again.notes[0]["text"]
    assert services.rerun_problem(version, date(2023, 12, 1), target=target) == ""  # few wheels, but there may be some


def test_a_machine_that_has_only_newer_pythons_says_so(
    workspace: Workspace, owner: User, target: ComputeTarget
) -> None:
    has(target, "3.11.7", "3.12.1")
    version = curated(workspace, "sklearn-today")
    assert "Python 3.11" in services.rerun_problem(version, SUMMER_2020, target=target)
    assert services.rerun_problem(version, BEFORE_NUMPY_1_24, target=target) == ""
