"""Which Python is taken, and what the machine is found to have."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from packaging.version import Version

from experiments.environments import Interpreter, InterpreterNotFound, choose, discover, released

MACHINE = [
    Interpreter(Version(version), Path(f"/pythons/{version}/bin/python"), "pyenv", "linux-x86_64")
    for version in (
        "3.14.0rc2",
        "3.13.0",
        "3.12.1",
        "3.11.7",
        "3.11.2",
        "3.8.18",
        "3.7.16",
        "3.6.15",
        "3.6.1",
        "2.7.18",
    )
]


@pytest.mark.parametrize(
    ("python", "version"),
    [
        ("==3.6.15", "3.6.15"),
        ("==3.11.2", "3.11.2"),
        ("==3.11.*", "3.11.7"),
        ("==3.*", "3.13.0"),
        (">=3.7,<3.11", "3.8.18"),
        (">=3.6", "3.13.0"),
        ("<3.7", "3.6.15"),
        ("~=3.7.3", "3.7.16"),
    ],
)
def test_what_fits_is_taken_without_a_word(python: str, version: str) -> None:
    choice = choose(python, MACHINE)
    assert str(choice.interpreter.version) == version
    assert choice.note is None


@pytest.mark.parametrize(
    ("python", "version"), [("==3.6.2", "3.6.1"), ("==3.6.12", "3.6.15"), ("==3.6.8", "3.6.15"), ("==3.8", "3.8.18")]
)
def test_the_nearest_patch_of_the_same_minor_is_taken_with_a_note(python: str, version: str) -> None:
    choice = choose(python, MACHINE)
    assert str(choice.interpreter.version) == version
    assert choice.note is not None
    assert python.removeprefix("==") in choice.note and version in choice.note


@pytest.mark.parametrize("python", ["==3.5.2", "==2.7.*", "==3.9.*", "==3.10.1", ">=3.15", ">3.8.18,<3.11", "==3.14.0"])
def test_none_that_fits_is_an_error_that_lists_what_there_is(python: str) -> None:
    with pytest.raises(InterpreterNotFound) as caught:
        choose(python, MACHINE)
    assert python in caught.value.message
    assert "3.6.15, 3.7.16, 3.8.18" in caught.value.hint
    assert "2.7.18" not in caught.value.hint


def test_without_a_wish_it_is_the_newest_up_to_the_default() -> None:
    assert str(choose("", MACHINE).interpreter.version) == "3.12.1"
    assert str(choose("", MACHINE, default="3.10").interpreter.version) == "3.8.18"
    assert str(choose("", MACHINE[:2]).interpreter.version) == "3.13.0"
    with pytest.raises(InterpreterNotFound):
        choose("", [])


def test_packages_of_an_early_day_get_a_python_of_that_day() -> None:
    day = date(2020, 7, 24)
    assert str(choose("", MACHINE, as_of=day).interpreter.version) == "3.8.18"
    choice = choose(">=3.6", MACHINE, as_of=day)
    assert str(choice.interpreter.version) == "3.8.18"
    assert choice.note is not None and "2020-07-24" in choice.note
    # Who names a later one gets it: it is their file.
    assert str(choose("==3.12.*", MACHINE, as_of=day).interpreter.version) == "3.12.1"


def test_where_no_python_of_that_day_is_there_it_is_the_oldest_and_the_note_says_so() -> None:
    day = date(2016, 1, 1)
    choice = choose("", MACHINE, as_of=day)
    assert str(choice.interpreter.version) == "3.6.15"
    assert choice.note is not None and "2016-12-23" in choice.note and "oldest" in choice.note
    new = [each for each in MACHINE if each.version.release[:2] in {(3, 11), (3, 12), (3, 13)}]
    assert str(choose("", new, as_of=date(2020, 7, 24)).interpreter.version) == "3.11.7"


def test_a_range_of_later_pythons_gives_its_oldest_with_a_note() -> None:
    """Wheels of a minor follow its release by some months: the newer, the fewer there are."""
    for day in (date(2020, 7, 24), date(2022, 12, 17)):
        choice = choose(">=3.11,<3.14", MACHINE, as_of=day)
        assert str(choice.interpreter.version) == "3.11.7"
        assert choice.note is not None and str(day) in choice.note and "2022-10-24" in choice.note
    later = choose(">=3.11,<3.14", MACHINE, as_of=date(2024, 6, 15))
    assert str(later.interpreter.version) == "3.12.1"
    exact = choose("==3.12.*", MACHINE, as_of=date(2020, 7, 24)).note
    assert exact is not None and "2023-10-02" in exact
    near = choose("==3.12.9", MACHINE, as_of=date(2020, 7, 24)).note
    assert near is not None and "nearest" in near and "2023-10-02" in near


def test_a_python_later_than_the_table_came_out_in_an_october() -> None:
    assert released(Version("3.8.18")) == date(2019, 10, 14)
    assert released(Version("3.20.1")) == date(2031, 10, 1)
    future = [*MACHINE, Interpreter(Version("3.15.2"), Path("/p"), "pyenv")]
    assert str(choose(">=3.13", future, as_of=date(2027, 6, 1)).interpreter.version) == "3.15.2"
    assert str(choose(">=3.13", future, as_of=date(2026, 11, 1)).interpreter.version) == "3.13.0"


def test_every_python_that_is_found_runs_and_is_what_it_says(interpreters: list[Interpreter]) -> None:
    assert interpreters
    assert len({each.path for each in interpreters}) == len(interpreters)
    newest = interpreters[0]
    said = subprocess.run(
        [newest.path, "-I", "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True
    )
    assert said.stdout.strip() == str(newest.version)
    assert all(not each.path.is_symlink() for each in interpreters)


def test_the_python_of_a_virtual_environment_counts_as_the_one_behind_it(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    for given in (tmp_path / "venv" / "bin", tmp_path / "venv" / "bin" / "python"):
        found = [each for each in discover([given]) if each.source == "setting"]
        assert [each.path for each in found] == [Path(os.path.realpath(sys.executable))]


def test_things_that_are_no_python_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "python3": "#!/bin/sh\nexit 1\n",
        "python3.9": "#!/bin/sh\necho '{}'\n",
        "python3.8": "#!/bin/sh\necho nonsense\n",
        "python3.7": "not even a script",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere:{os.environ['PATH']}")
    assert not [each for each in discover([tmp_path, tmp_path / "gone"]) if tmp_path in each.path.parents]


def test_a_replaced_file_is_asked_again(tmp_path: Path) -> None:
    fake = tmp_path / "python3"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    assert not [each for each in discover([fake]) if each.source == "setting"]
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    assert [each for each in discover([fake]) if each.source == "setting"]
