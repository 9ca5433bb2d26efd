"""Settings: nonsense stops the start with the variable's name, a public address needs a secret, and the reference is complete."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from pytest_django import Settings

from mlportal import checks, env
from mlportal.secret import read_or_make_secret

ROOT = Path(__file__).resolve().parent.parent
NAME = "MLPORTAL_OF_A_TEST"


def given(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("300MB", 300_000_000),
        ("2GiB", 2 << 30),
        ("2 gib", 2 << 30),
        ("1.5kB", 1500),
        ("12", 12),
        ("7B", 7),
        ("  4KiB ", 4096),
    ],
)
def test_a_size_is_read_with_its_unit(monkeypatch: pytest.MonkeyPatch, raw: str, wanted: int) -> None:
    given(monkeypatch, raw)
    assert env.size(NAME, 1) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"), [("90s", 90), ("15m", 900), ("2h", 7200), ("30d", 2_592_000), ("1.5h", 5400), ("8", 8)]
)
def test_a_duration_is_read_with_its_unit(monkeypatch: pytest.MonkeyPatch, raw: str, wanted: int) -> None:
    given(monkeypatch, raw)
    assert env.seconds(NAME, 1) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"), [("1", True), ("Yes", True), ("ON", True), ("false", False), ("no", False), ("0", False)]
)
def test_a_switch_is_on_or_off(monkeypatch: pytest.MonkeyPatch, raw: str, wanted: bool) -> None:
    given(monkeypatch, raw)
    assert env.boolean(NAME, not wanted) is wanted


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (env.size, "300 megs"),
        (env.size, "-1MB"),
        (env.size, "1e999"),
        (env.size, "MB"),
        (env.seconds, "2 weeks"),
        (env.seconds, "1h30m"),
        (env.seconds, "nan"),
        (env.integer, "3.5"),
        (env.integer, "-1"),
        (env.integer, "many"),
        (env.boolean, "maybe"),
        (env.boolean, "2"),
    ],
)
def test_nonsense_is_never_a_default(monkeypatch: pytest.MonkeyPatch, read: Callable[..., object], raw: str) -> None:
    given(monkeypatch, raw)
    with pytest.raises(ImproperlyConfigured, match=NAME) as error:
        read(NAME, 1)
    assert raw in str(error.value)


def test_a_number_below_the_least_is_refused_and_the_least_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "2")
    with pytest.raises(ImproperlyConfigured, match="at least 3"):
        env.integer(NAME, 5, least=3)


def test_empty_and_unset_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    assert (env.text(NAME, "x"), env.integer(NAME, 4), env.words(NAME)) == ("x", 4, [])
    given(monkeypatch, "  ")
    assert (env.text(NAME, "x"), env.size(NAME, 4), env.boolean(NAME, True)) == ("x", 4, True)


def test_words_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, " a, ,b ,")
    assert env.words(NAME) == ["a", "b"]


def check(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check` with these settings, as it is asked before the portal starts."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLPORTAL_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**clean, "MLPORTAL_HOME": str(home), **variables},
        capture_output=True,
        text=True,
    )


def test_a_public_address_with_debug_is_refused(tmp_path: Path) -> None:
    done = check(tmp_path / "home", MLPORTAL_BIND="0.0.0.0:8000", MLPORTAL_DEBUG="on")
    assert done.returncode == 1
    assert "MLPORTAL_DEBUG" in done.stderr
    assert "mlportal.E003" in done.stderr


def test_the_portal_itself_does_not_start_on_a_public_address_with_a_weak_secret(tmp_path: Path) -> None:
    """Not the check command alone: the one that listens."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MLPORTAL_", "DJANGO_"))}
    variables = {
        "MLPORTAL_HOME": str(tmp_path / "home"),
        "MLPORTAL_BIND": "0.0.0.0:0",
        "MLPORTAL_SECRET_KEY": "changeme",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "portal"],
        cwd=ROOT,
        env=clean | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "mlportal.E002" in done.stderr
    assert "Unset MLPORTAL_SECRET_KEY" in done.stderr
    assert not (tmp_path / "home" / "portal.sqlite3").exists()


def test_nonsense_in_a_variable_stops_the_start(tmp_path: Path) -> None:
    done = check(tmp_path / "home", MLPORTAL_LOG_LIMIT="a lot")
    assert done.returncode == 1
    assert "MLPORTAL_LOG_LIMIT='a lot' is not a size such as 300MB or 2GiB." in done.stderr


@pytest.mark.parametrize(
    ("bind", "public"),
    [
        ("127.0.0.1:8000", False),
        ("127.9.9.9:1", False),
        ("[::1]:8000", False),
        ("localhost:8000", False),
        ("0.0.0.0:8000", True),
        ("[::]:8000", True),
        (":8000", True),
        ("192.168.0.7:80", True),
        ("portal.example:80", True),
    ],
)
def test_what_counts_as_a_public_address(bind: str, public: bool) -> None:
    assert checks.is_public(bind) is public


def found_with(settings: Settings, **values: object) -> dict[str | None, int]:
    """{id: level} of what `safe_to_listen` says with these settings."""
    for name, value in values.items():
        setattr(settings, name, value)
    return {message.id: message.level for message in checks.safe_to_listen()}


STRONG = "k3Jx" * 12


def test_a_public_address_with_a_secret_of_its_own_is_fine(settings: Settings) -> None:
    assert not found_with(settings, BIND="0.0.0.0:8000", DEBUG=False, SECRET_KEY=STRONG)


@pytest.mark.parametrize("secret", ["changeme" * 8, "django-insecure-" + STRONG, "short"])
def test_a_weak_secret_is_an_error_in_public_and_a_warning_at_home(settings: Settings, secret: str) -> None:
    from django.core.checks import ERROR, WARNING

    assert found_with(settings, BIND="0.0.0.0:8000", DEBUG=False, SECRET_KEY=secret) == {"mlportal.E002": ERROR}
    assert found_with(settings, BIND="127.0.0.1:8000", DEBUG=False, SECRET_KEY=secret) == {"mlportal.E002": WARNING}


@pytest.mark.parametrize("bind", ["8000", "localhost", "127.0.0.1:http", "127.0.0.1:70000", ":8000"])
def test_an_address_that_is_none_is_refused(settings: Settings, bind: str) -> None:
    assert list(found_with(settings, BIND=bind, SECRET_KEY=STRONG)) == ["mlportal.E001"]


def test_a_home_that_others_can_read_is_warned_of(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    tmp_path.chmod(0o755)
    assert [message.id for message in checks.home_is_usable()] == ["mlportal.W005"]
    tmp_path.chmod(0o700)
    assert not checks.home_is_usable()


def test_the_secret_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    secret = read_or_make_secret(path)
    assert len(secret) >= checks.SECRET_CHARACTERS
    assert path.stat().st_mode & 0o077 == 0
    assert read_or_make_secret(path) == secret


def test_those_who_make_the_secret_at_once_agree_on_one(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from mlportal.secret import read_or_make_secret as r; print(r(Path(sys.argv[1])))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "key")], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    answers = {process.communicate()[0] for process in started}
    assert len(answers) == 1
    assert len(answers.pop().strip()) >= checks.SECRET_CHARACTERS
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_the_reference_says_what_the_code_reads() -> None:
    """CommandError, with what to run, when a variable was added, renamed or given another default."""
    call_command("settings_reference", check=True)


def test_a_value_that_cannot_be_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    variables = {**os.environ, "MLPORTAL_HOME": str(tmp_path), "MLPORTAL_LOG_LIMIT": "banana"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "MLPORTAL_LOG_LIMIT" in done.stderr and "banana" in done.stderr
