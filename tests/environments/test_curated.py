"""The environments that ship with the portal, and the table of names."""

from datetime import date

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from experiments.environments import curated, parse_conda_yaml
from experiments.environments.conda_names import CondaOnly, Dropped, OnPyPI, _table, on_pypi


def test_the_names_that_scripts_ask_for_are_there() -> None:
    assert {"AzureML-Tutorial", "azureml-sklearn-1.5", "AzureML-Minimal", "sklearn-today"} <= curated().keys()


def test_every_one_has_a_description_and_nothing_to_complain_about() -> None:
    for name, environment in curated().items():
        spec = parse_conda_yaml(environment.text)
        assert spec.name == name
        assert len(environment.description) > 20
        assert "azureml-defaults" in spec.provided
        assert "as-of" not in environment.description


def test_the_tutorial_is_of_its_age() -> None:
    spec = parse_conda_yaml(curated()["AzureML-Tutorial"].text)
    assert spec.as_of == date(2020, 7, 24)
    assert "3.6.15" in SpecifierSet(spec.python) and "3.8.0" not in SpecifierSet(spec.python)
    assert {"joblib", "matplotlib", "numpy", "pandas", "scikit-learn"} <= set(spec.requirements)


def test_the_table_of_names_is_consistent() -> None:
    table = _table()
    renamed, dropped, only, dead = (table[key] for key in ("renamed", "dropped", "conda_only", "dead"))
    assert not (renamed.keys() & dropped.keys() | renamed.keys() & only.keys() | dropped.keys() & only.keys())
    assert len(renamed) + len(dropped) + len(only) > 200
    for name in [*renamed, *dropped, *only, *dead]:
        assert name == name.lower()
    for target in renamed.values():
        assert Requirement(target).name not in dead
    assert isinstance(on_pypi("mkl"), CondaOnly)
    assert isinstance(on_pypi("OpenSSL"), Dropped)
    assert on_pypi("holidays") == OnPyPI("holidays")
