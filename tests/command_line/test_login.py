"""Logging in and out, and what is said to somebody who has not."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal import Portal
from tests.terminal import TerminalCommand

COMMAND = [sys.executable, "-m", "mlportal_sdk"]


@pytest.fixture
def kept(bare: dict[str, str]) -> Path:
    return Path(bare["HOME"], ".config", "mlportal", "credentials.json")


def call(bare: dict[str, str], cwd: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], cwd=cwd, env=bare, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def typing(bare: dict[str, str], tmp_path: Path) -> Iterator[TerminalCommand]:
    with TerminalCommand([*COMMAND, "login"], env=bare, cwd=tmp_path) as command:
        yield command


def test_it_asks_for_address_and_token_and_shows_the_token_nowhere(
    typing: TerminalCommand, portal: Portal, kept: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    typing.expect("Address of the portal [http://127.0.0.1:8000]: ")
    typing.write(f"{portal.url}/\n")
    typing.expect("Token (not shown): ")
    typing.write(f"{portal.token}\n")
    assert typing.end() == 0
    assert f"Logged in to {portal.url} as admin." in typing.text
    assert portal.token not in typing.text
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == {
        "current": portal.url,
        "portals": {portal.url: {"token": portal.token, "user": "admin"}},
    }
    opened = call(bare, tmp_path, "open")
    assert opened.stdout == f"{portal.url}/w/default/\n"
    assert call(bare, tmp_path, "logout").returncode == 0
    assert portal.token not in kept.read_text()
    assert call(bare, tmp_path, "runs").returncode == 3


def test_a_wrong_token_is_refused_and_not_kept(
    bare: dict[str, str], tmp_path: Path, portal: Portal, kept: Path
) -> None:
    done = call(bare, tmp_path, "login", portal.url, "--token-stdin", stdin="mlp_wrong\n")
    assert (done.returncode, done.stdout) == (3, "")
    assert "unknown, expired or revoked" in done.stderr and "/account/tokens/" in done.stderr
    assert not kept.exists()


def test_a_token_comes_from_stdin_for_scripts(bare: dict[str, str], tmp_path: Path, portal: Portal, kept: Path) -> None:
    done = call(bare, tmp_path, "login", portal.url, "--token-stdin", "--json", stdin=portal.token)
    assert json.loads(done.stdout) == {"portal": portal.url, "user": "admin", "credentials": str(kept)}


def test_without_a_terminal_it_says_how_to_give_the_token(bare: dict[str, str], tmp_path: Path, portal: Portal) -> None:
    done = call(bare, tmp_path, "login", portal.url)
    assert done.returncode == 2
    assert "--token-stdin" in done.stderr


def test_nobody_at_the_address_is_5(bare: dict[str, str], tmp_path: Path, kept: Path) -> None:
    done = call(bare, tmp_path, "login", "http://127.0.0.1:1", "--token-stdin", stdin="mlp_x\n")
    assert done.returncode == 5
    assert "Is it running" in done.stderr
    assert not kept.exists()


def test_without_a_login_the_ways_are_named(bare: dict[str, str], tmp_path: Path) -> None:
    done = call(bare, tmp_path, "runs")
    assert done.returncode == 3
    assert "mlportal login" in done.stderr and "config.json" in done.stderr


def test_a_config_json_without_a_token_names_the_login(bare: dict[str, str], tmp_path: Path, portal: Portal) -> None:
    with portal.client() as client:
        (tmp_path / "config.json").write_text(json.dumps(client.get("config.json")))
    done = call(bare, tmp_path, "runs")
    assert done.returncode == 3
    assert f"mlportal login {portal.url}" in done.stderr
    done = call({**bare, "MLPORTAL_TOKEN": portal.token}, tmp_path, "open")
    assert done.stdout == f"{portal.url}/w/default/\n"


def test_an_error_is_one_object_with_json(bare: dict[str, str], tmp_path: Path, portal: Portal) -> None:
    environment = {**bare, "MLPORTAL_URL": portal.url, "MLPORTAL_TOKEN": portal.token}
    done = call(environment, tmp_path, "runs", "--json", "-w", "no-such")
    assert (done.returncode, done.stdout) == (4, "")
    assert json.loads(done.stderr)["exit"] == 4


def test_a_token_of_another_kind_is_refused_by_its_look(
    bare: dict[str, str], tmp_path: Path, portal: Portal, kept: Path
) -> None:
    done = call(bare, tmp_path, "login", portal.url, "--token-stdin", stdin="garbage\n")
    assert done.returncode == 3 and "MLPORTAL_TOKEN" not in done.stderr
    assert not kept.exists()
