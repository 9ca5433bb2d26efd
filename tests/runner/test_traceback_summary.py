"""Failures as logs show them, most of them made by a real interpreter."""

from __future__ import annotations

import datetime
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.runner.traceback_summary import Failure, summarise


def log_of(tmp_path: Path, code: str) -> str:
    script = tmp_path / "train.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, "-S", str(script)], capture_output=True, timeout=20)
    return f"epoch 1\nepoch 2\n{done.stderr.decode()}"  # as bytes: a carriage return stays one


def failure_of(tmp_path: Path, code: str) -> tuple[Failure, str]:
    log = log_of(tmp_path, code)
    failure = summarise(log)
    assert failure is not None, log
    return failure, log[failure.offset :].split("\n")[0]


def test_a_traceback_gives_type_message_place_and_frames(tmp_path: Path) -> None:
    failure, first = failure_of(tmp_path, "def fit(x):\n    return 1 / x\n\nfit(0)\n")
    assert (failure.exception, failure.message) == ("ZeroDivisionError", "division by zero")
    assert (failure.file, failure.line) == (str(tmp_path / "train.py"), 2)
    assert [(frame.function, frame.line, frame.source) for frame in failure.frames] == [
        ("<module>", 4, "fit(0)"),
        ("fit", 2, "return 1 / x"),
    ]
    assert first == "Traceback (most recent call last):" and failure.hint is None


def test_the_place_is_in_the_users_file_when_a_library_raises(tmp_path: Path) -> None:
    failure, _ = failure_of(tmp_path, "import json\n\njson.loads('{')\n")
    assert failure.exception == "json.decoder.JSONDecodeError"
    assert (failure.file, failure.line) == (str(tmp_path / "train.py"), 3)
    assert "json" in failure.frames[-1].file


@pytest.mark.parametrize("connector", ["raise KeyError('second')", "raise KeyError('second') from error"])
def test_of_a_chain_the_last_counts_and_the_first_is_linked(tmp_path: Path, connector: str) -> None:
    failure, first = failure_of(tmp_path, f"try:\n    int('x')\nexcept ValueError as error:\n    {connector}\n")
    assert (failure.exception, failure.message, failure.line) == ("KeyError", "'second'", 4)
    assert first == "Traceback (most recent call last):"
    assert failure.offset == len("epoch 1\nepoch 2\n")


def test_an_earlier_traceback_of_another_failure_is_not_part_of_the_chain(tmp_path: Path) -> None:
    code = "import traceback\ntry:\n    int('x')\nexcept ValueError:\n    traceback.print_exc()\nraise SystemError('later')"
    failure, _ = failure_of(tmp_path, code)
    assert (failure.exception, failure.line) == ("SystemError", 6)
    assert failure.offset > len("epoch 1\nepoch 2\nTraceback")


def test_a_syntax_error_has_its_file_and_line(tmp_path: Path) -> None:
    failure, first = failure_of(tmp_path, "x = 1\nif x\n    pass\n")
    assert (failure.exception, failure.line) == ("SyntaxError", 2)
    assert first.startswith('  File "')


def test_a_syntax_error_in_an_imported_module_has_that_place(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("\n\ndef f(:\n")
    failure, _ = failure_of(tmp_path, "import helper")
    assert (failure.exception, failure.file, failure.line) == ("SyntaxError", str(tmp_path / "helper.py"), 3)


def test_endless_recursion_keeps_a_bounded_number_of_frames(tmp_path: Path) -> None:
    failure, _ = failure_of(tmp_path, "def f(): f()\nf()")
    assert failure.exception == "RecursionError" and 0 < len(failure.frames) <= 50


def test_an_exception_without_a_message_is_read(tmp_path: Path) -> None:
    failure, _ = failure_of(tmp_path, "raise MemoryError")
    assert (failure.exception, failure.message) == ("MemoryError", "")


def test_colours_and_windows_line_ends_do_not_hide_a_traceback() -> None:
    log = '\x1b[31mTraceback (most recent call last):\x1b[0m\r\n  File "a.py", line 7, in f\r\n\x1b[1mValueError\x1b[0m: no\r\n'
    failure = summarise(log)
    assert failure is not None
    assert (failure.exception, failure.message, failure.file, failure.line) == ("ValueError", "no", "a.py", 7)


BAR = "epoch 1\r  0%|          | 0/9\r 45%|████▌     | 4/9 "
GROUP = "ExceptionGroup('several', [ValueError('one'), %s])"


@pytest.mark.parametrize("before", [BAR, "no newline", "\x1b[32m45%\x1b[0m ", "2026-01-01 ERROR train: ", BAR + "\r"])
def test_a_traceback_that_begins_within_a_line_is_found(tmp_path: Path, before: str) -> None:
    code = f"import sys\nsys.stderr.buffer.write({before.encode()!r})\nsys.stderr.flush()\n"
    code += "try:\n    int('x')\nexcept ValueError as error:\n    "
    expected = "Traceback (most recent call last):"
    failure, first = failure_of(tmp_path, code + "raise")
    assert (failure.exception, failure.line, first) == ("ValueError", 5, expected)
    for connector in ("raise KeyError('second')", "raise KeyError('second') from error"):
        failure, first = failure_of(tmp_path, code + connector)  # the chain begins behind the bar
        assert (failure.exception, failure.line, first) == ("KeyError", 7, expected)
    failure, first = failure_of(tmp_path, code + "raise " + GROUP % "error")
    assert (failure.exception, failure.line, first) == ("ExceptionGroup", 7, expected)


@pytest.mark.parametrize("before", [BAR, "no newline", ""])
def test_an_exception_group_is_told_with_its_parts(tmp_path: Path, before: str) -> None:
    code = f"import sys\nsys.stderr.buffer.write({before.encode()!r})\nsys.stderr.flush()\n"
    code += (
        "def f(x):\n    try:\n        import surely_not_there\n    except Exception as error:\n        return error\n"
    )
    code += f"raise {GROUP % 'f(1)'}\nprint()\n"
    failure, first = failure_of(tmp_path, code)
    assert (failure.exception, failure.file, failure.line) == ("ExceptionGroup", str(tmp_path / "train.py"), 9)
    assert failure.message.splitlines() == [
        "several (2 sub-exceptions)",
        "ValueError: one",
        "ModuleNotFoundError: No module named 'surely_not_there'",
    ]
    assert [frame.line for frame in failure.frames] == [9]
    assert first.strip(" +") == "Exception Group Traceback (most recent call last):"
    assert failure.hint is not None and failure.hint.kind == "missing_package"


def test_what_comes_after_an_exception_group_counts(tmp_path: Path) -> None:
    """A group that was printed and handled, then the real end; and one that another exception came out of."""
    code = f"import traceback\ntry:\n    raise {GROUP % 'KeyError(2)'}\nexcept Exception:\n    "
    failure, _ = failure_of(tmp_path, code + "traceback.print_exc()\nraise SystemError('later')\n")
    assert (failure.exception, failure.line) == ("SystemError", 6)
    failure, first = failure_of(tmp_path, code + "raise OSError('second')\n")
    assert (failure.exception, failure.line) == ("OSError", 5)
    assert "Exception Group" in first


def test_words_about_a_traceback_are_none() -> None:
    assert summarise("it says Traceback (most recent call last):\nhello\n") is None


def test_a_missing_module_names_the_package(tmp_path: Path) -> None:
    failure, _ = failure_of(tmp_path, "import surely_not_there.part")
    assert failure.exception == "ModuleNotFoundError" and failure.hint is not None
    assert (failure.hint.kind, failure.hint.suggested_as_of) == ("missing_package", None)
    assert "'surely_not_there'" in failure.hint.text


NUMPY = (
    "AttributeError: module 'numpy' has no attribute 'float'.\n"
    "`np.float` was a deprecated alias for the builtin `float`. To avoid this error in existing code, use `float`."
)


@pytest.mark.parametrize(
    ("error", "release", "day"),
    [
        (NUMPY, "numpy 1.24", "2022-12-17"),
        ("AttributeError: module 'numpy' has no attribute 'str'. Did you mean: 'std'?", "numpy 1.24", "2022-12-17"),
        ("AttributeError: `np.Inf` was removed in the NumPy 2.0 release. Use `np.inf`.", "numpy 2.0", "2024-06-15"),
        ("ImportError: cannot import name 'joblib' from 'sklearn.externals' (x.py)", "scikit-learn 0.23", "2020-05-11"),
        ("ModuleNotFoundError: No module named 'sklearn.externals.joblib'", "scikit-learn 0.23", "2020-05-11"),
        ("ModuleNotFoundError: No module named 'sklearn.cross_validation'", "scikit-learn 0.20", "2018-09-24"),
        ("ImportError: cannot import name 'Imputer' from 'sklearn.preprocessing'", "scikit-learn 0.22", "2019-12-01"),
        ("ImportError: \n`load_boston` has been removed from scikit-learn since 1.2", "scikit-learn 1.2", "2022-12-07"),
        ("AttributeError: 'DataFrame' object has no attribute 'append'", "pandas 2.0", "2023-04-02"),
    ],
)
def test_a_name_that_was_removed_suggests_a_day_before(error: str, release: str, day: str) -> None:
    failure = summarise(f'Traceback (most recent call last):\n  File "train.py", line 9, in <module>\n    x\n{error}\n')
    assert failure is not None and failure.hint is not None
    assert failure.hint.kind == "removed_name"
    assert failure.hint.suggested_as_of == datetime.date.fromisoformat(day)
    assert release in failure.hint.text and day in failure.hint.text


def test_the_hint_of_a_chain_comes_from_whichever_link_has_one() -> None:
    part = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n'
    between = "\nDuring handling of the above exception, another exception occurred:\n\n"
    failure = summarise(f"{part}{NUMPY}\n{between}{part}RuntimeError: no model\n")
    assert failure is not None and failure.exception == "RuntimeError"
    assert failure.hint is not None and failure.hint.kind == "removed_name"


@pytest.mark.parametrize(
    ("line", "exception"),
    [
        ("Killed", "Killed"),
        ("run.sh: line 3:  4711 Killed                  python train.py", "Killed"),
        ("Segmentation fault (core dumped)", "Segmentation fault"),
        ("Fatal Python error: Segmentation fault", "Segmentation fault"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "Aborted"),
        ("python3: can't open file '/x/nope.py': [Errno 2] No such file or directory", "Error"),
        ("bash: train: command not found", "Error"),
    ],
)
def test_a_plain_message_of_death_is_a_failure(line: str, exception: str) -> None:
    log = f"epoch 1\n{line}\n"
    failure = summarise(log)
    assert failure is not None
    assert (failure.exception, failure.message, failure.offset) == (exception, line, 8)


@pytest.mark.parametrize("log", ["", "accuracy 0.97\n", "Killed it: accuracy 1.0 is not said by a shell".lower()])
def test_a_log_without_a_failure_has_no_summary(log: str) -> None:
    assert summarise(log) is None


PIECES = [
    "Traceback (most recent call last):\n",
    '  File "a.py", line 1, in f\n',
    '  File "a.py", line 1\n',
    "SyntaxError: x\n",
    "    code\n",
    "  | ",
    "\x1b[1m",
    "Killed",
    "\n",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join))
def test_no_log_breaks_the_summary(log: str) -> None:
    failure = summarise(log)
    assert failure is None or 0 <= failure.offset < len(log)
