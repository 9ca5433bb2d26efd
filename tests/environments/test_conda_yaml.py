"""Conda files as people write them."""

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from experiments.environments import EnvironmentFileError, EnvironmentSpec, parse_conda_yaml

ARTICLE = """\
dependencies:
- python=3.6.2
- scikit-learn
- numpy
- pip:
  - azureml-defaults
"""


def conda(*lines: str) -> EnvironmentSpec:
    return parse_conda_yaml("dependencies:\n" + "".join(f"- {line}\n" for line in lines))


def pip(*lines: str) -> EnvironmentSpec:
    return parse_conda_yaml("dependencies:\n- pip:\n" + "".join(f"  - {line}\n" for line in lines))


def texts(spec: EnvironmentSpec) -> str:
    return "\n".join(note.text for note in spec.notes)


def test_the_articles_file_is_understood() -> None:
    spec = parse_conda_yaml(ARTICLE)
    assert spec.name is None
    assert spec.python == "==3.6.2"
    assert spec.requirements == ("numpy", "scikit-learn")
    assert spec.provided == ("azureml-defaults",)
    assert spec.as_of is None
    assert spec.notes == ()


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.19", "numpy==1.19.*"),
        ("numpy = 1.19", "numpy==1.19.*"),
        ("numpy=1.19.*", "numpy==1.19.*"),
        ("numpy=1.19*", "numpy==1.19.*"),
        ("numpy==1.19.2", "numpy==1.19.2"),
        ("numpy 1.19.2", "numpy==1.19.2"),
        ("numpy 1.19.*", "numpy==1.19.*"),
        ("numpy>=1.15,<1.20", "numpy<1.20,>=1.15"),
        ("numpy >=1.15, <1.20", "numpy<1.20,>=1.15"),
        ("numpy >= 1.15", "numpy>=1.15"),
        ("numpy>=1.15.*", "numpy>=1.15"),
        ("numpy!=1.16.*", "numpy!=1.16.*"),
        ("numpy~=1.16.0", "numpy~=1.16.0"),
        ("numpy=1.19.2=py36_0", "numpy==1.19.2"),
        ("numpy 1.19.2 py36_0", "numpy==1.19.2"),
        ("numpy=1.19=*mkl*", "numpy==1.19.*"),
        ("'numpy[version=\">=1.15,<2\"]'", "numpy<2,>=1.15"),
        ("dask[array,complete]>=2", "dask[array,complete]>=2"),
        ("conda-forge::numpy=1.19", "numpy==1.19.*"),
        ("NumPy", "numpy"),
        ("typing_extensions", "typing-extensions"),
        ("msgpack-python", "msgpack"),
        ("pytables", "tables"),
        ("pytorch::pytorch=1.4", "torch==1.4.*"),
        ("dask", "dask[complete]"),
        ("opencv", "opencv-python-headless"),
        ("scikit-learn=0.23rc1", "scikit-learn==0.23rc1"),
    ],
)
def test_conda_lines_become_requirements_of_pypi(line: str, requirement: str) -> None:
    assert conda(line).requirements == (requirement,)


@pytest.mark.parametrize(
    ("line", "python"),
    [
        ("python", ""),
        ("python=3.7", "==3.7.*"),
        ("python=3.6.2", "==3.6.2"),
        ("python=3.6.2=h0371630_0", "==3.6.2"),
        ("python==3.8", "==3.8"),
        ("python=3", "==3.*"),
        ("python>=3.7.0,<3.11", "<3.11,>=3.7.0"),
        ("python 3.8.*", "==3.8.*"),
    ],
)
def test_python_is_kept_apart(line: str, python: str) -> None:
    spec = conda(line)
    assert (spec.python, spec.requirements) == (python, ())


def test_what_has_no_meaning_on_pypi_is_noted_with_its_line() -> None:
    spec = parse_conda_yaml(
        "name: x\nchannels: [pytorch]\nprefix: /opt\ndependencies:\n- main::numpy=1.19=py36_0\n- pip=20\n"
    )
    assert [(note.line, note.key) for note in spec.notes] == [
        (2, "channels"),
        (3, "prefix"),
        (5, "dependencies"),
        (6, "dependencies"),
    ]
    assert (spec.name, spec.requirements) == ("x", ("numpy==1.19",))


def test_the_dead_alias_sklearn_is_replaced_in_both_lists() -> None:
    for spec in (conda("sklearn=0.0"), pip("sklearn==0.0.post1")):
        assert spec.requirements == ("scikit-learn",)
        assert "dead alias" in texts(spec)


@pytest.mark.parametrize("name", ["cudatoolkit=10.1", "mkl", "libgcc", "openmpi", "r-base", "r-ggplot2", "cuda-nvcc"])
def test_a_package_that_only_conda_has_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(EnvironmentFileError, match=f"only conda has {name.split('=')[0]}") as caught:
        conda("numpy", name)
    assert (caught.value.line, caught.value.key) == (3, "dependencies")


def test_parts_of_condas_own_base_are_left_out_with_a_note() -> None:
    spec = conda("openssl", "ca-certificates", "_libgcc_mutex=0.1=main", "pip", "nomkl")
    assert spec.requirements == ()
    assert len(spec.notes) >= 5


def test_azureml_names_are_left_to_the_portal() -> None:
    spec = parse_conda_yaml(
        "dependencies:\n- azureml-core\n- pip:\n  - azureml-sdk[notebooks,automl]>=1.0\n  - azureml_mlflow\n  - azureml-opendatasets\n"
    )
    assert spec.provided == ("azureml-core", "azureml-mlflow", "azureml-opendatasets", "azureml-sdk")
    assert spec.requirements == ()
    assert "add mlflow" in texts(spec) and "azureml-opendatasets" in texts(spec)
    assert "azureml-core: provided by the portal's own sdk" in spec.announcement()


@pytest.mark.parametrize(
    "text",
    [
        "# as-of: 2020-07-24\n" + ARTICLE,
        ARTICLE + "# as-of: 2020-07-24",
        ARTICLE.replace("- numpy", "- numpy  # as-of: 2020-07-24"),
    ],
)
def test_a_comment_names_the_day(text: str) -> None:
    assert parse_conda_yaml(text).as_of == date(2020, 7, 24)


def test_a_day_inside_quotes_is_not_a_comment() -> None:
    assert parse_conda_yaml("name: 'x # as-of: 2020-07-24'\ndependencies: []\n").as_of is None


@pytest.mark.parametrize(
    "comment", ["# as-of: 2020-13-01", "# as-of: yesterday", "# as-of: 2020-01-01\n# as-of: 2020-01-02"]
)
def test_a_day_that_cannot_be_is_an_error(comment: str) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        parse_conda_yaml(f"{comment}\n{ARTICLE}")
    assert caught.value.key == "as-of"


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("", 1, None, "dependencies"),
        ("- numpy", 1, None, "dependencies"),
        ("name: x\n", 1, "dependencies", "no `dependencies:`"),
        ("dependencies: numpy\n", 1, "dependencies", "a list"),
        ("dependencies:\n- numpy: 1.19\n", 2, "dependencies", "numpy=1.19"),
        ("dependencies:\n- 42\n", 2, "dependencies", "'42'"),
        ("dependencies:\n- true\n", 2, "dependencies", "'true'"),
        ("dependencies:\n- [numpy]\n", 2, "dependencies", "list inside"),
        ("dependencies:\n- numpy 1 2 3 4\n", 2, "dependencies", "numpy 1 2 3 4"),
        ("dependencies:\n- numpy=1.1|1.2\n", 2, "dependencies", "alternatives"),
        ("dependencies:\n- numpy=abc\n", 2, "dependencies", "abc"),
        ("dependencies:\n- '>=1'\n", 2, "dependencies", ">=1"),
        ("dependencies:\n- pip: numpy\n", 2, "dependencies.pip", "a list"),
        ("dependencies:\n- pip:\n  - {a: b}\n", 3, "dependencies.pip", "one line"),
        ("dependencies:\n- pip:\n  - python==3.7\n", 3, "dependencies.pip", "does not install Python"),
        ("name: [a]\ndependencies: []\n", 1, "name", "single value"),
        ("channels: {a: b}\ndependencies: []\n", 1, "channels", "a list"),
        ("name: a\nname: b\ndependencies: []\n", 2, "name", "twice"),
    ],
)
def test_errors_name_line_and_key(text: str, line: int, key: str | None, words: str) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        parse_conda_yaml(text)
    assert (caught.value.line, caught.value.key) == (line, key)
    assert words in caught.value.message


def test_all_errors_are_found_at_once() -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        conda("libgcc", "numpy", "cudatoolkit", "1.5")
    assert [error.line for error in caught.value.errors] == [2, 4, 5]
    assert "line 4" in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("numpy=1.26", "numpy==1.24"),
        ("numpy=1.26", "NumPy==1.24.*"),
        ("scikit_learn=1.2", "scikit-learn==1.3.0"),
        ("scikit-learn>=1.3", "scikit_learn<1.3"),
        ("pytorch=2.1", "torch==2.2.0"),
        ("numpy>1.24,<1.24.0.0.0.0.1", "numpy!=1.24"),
        ("numpy>=2", "numpy~=1.24"),
    ],
)
def test_lines_that_exclude_each_other_are_an_error_that_names_both(first: str, second: str) -> None:
    with pytest.raises(EnvironmentFileError) as caught:
        parse_conda_yaml(f"dependencies:\n- {first}\n- pandas\n- pip:\n  - {second}\n")
    (error,) = caught.value.errors
    assert (error.line, error.key) == (5, "dependencies.pip")
    assert f"{first!r} (line 2)" in error.message
    assert second.lower() in error.message.lower()


def test_contradictions_in_one_list_one_line_and_pythons_own() -> None:
    for file in (conda, pip):
        with pytest.raises(EnvironmentFileError, match=r"'numpy==1.24'.*contradicts.*\(line [34]\)"):
            file("pandas", "numpy==1.26", "numpy==1.24") if file is conda else file("numpy==1.26", "numpy==1.24")
    with pytest.raises(EnvironmentFileError, match="no version of numpy can be"):
        conda("numpy>=2,<1")
    with pytest.raises(EnvironmentFileError, match=r"'python=3.9' contradicts 'python=3.8' \(line 2\)"):
        conda("python=3.8", "python=3.9")
    with pytest.raises(EnvironmentFileError, match=r"\(line 2\) and .*\(line 3\)"):
        conda("numpy>=1,<=3", "numpy!=2.*", "numpy>=2,<3", "numpy>=2")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("numpy=1.26", "numpy==1.26.4"),
        ("numpy==1.26", "numpy==1.26"),
        ("scikit_learn=1.2", "scikit-learn==1.2.*"),
        ("numpy>=1.20", "numpy<2"),
        ("numpy>1.24", "numpy<1.24.1"),
        ("numpy!=1.24.*", "numpy>=1.24"),
        ("numpy", "numpy==1.24"),
        ("sklearn=0.0", "scikit-learn==1.3.0"),
        ("numpy=1.26", "'numpy==1.24; sys_platform == \"win32\"'"),
        ("numpy>=2.0.0rc1", "numpy<2.0.0rc3"),
    ],
)
def test_lines_that_agree_are_no_contradiction(first: str, second: str) -> None:
    parse_conda_yaml(f"dependencies:\n- {first}\n- pip:\n  - {second}\n")


def test_very_many_lines_about_one_package_take_no_time() -> None:
    started = time.monotonic()
    conda(*(f"numpy!=1.{number}" for number in range(3000)))
    with pytest.raises(EnvironmentFileError):
        conda(*(f"package{number}{wish}" for number in range(1500) for wish in ("=1", "=2")))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "text", [ARTICLE.encode(), b"\xef\xbb\xbf" + ARTICLE.encode(), ARTICLE.replace("\n", "\r\n").encode()]
)
def test_bytes_of_any_editor_are_read(text: bytes) -> None:
    assert parse_conda_yaml(text).requirements == ("numpy", "scikit-learn")


def test_an_empty_list_is_an_environment_of_python_alone() -> None:
    assert parse_conda_yaml("dependencies: []").requirements == ()
    assert parse_conda_yaml("dependencies:\n").requirements == ()


@given(st.lists(st.text(alphabet="abpython1.23=<>!~*,| []:'\"#@-_/\\é\0", max_size=24), max_size=5), st.booleans())
def test_no_line_makes_the_parser_fail_otherwise_than_with_its_own_error(lines: list[str], in_pip: bool) -> None:
    try:
        spec = (pip if in_pip else conda)(*lines)
    except EnvironmentFileError as error:
        assert error.errors
    else:
        for line in spec.requirements:
            assert str(Requirement(line)) == line


@given(st.one_of(st.text(), st.binary()))
def test_no_file_makes_the_parser_fail_otherwise_than_with_its_own_error(text: str | bytes) -> None:
    with pytest.raises(EnvironmentFileError):
        parse_conda_yaml(text)
