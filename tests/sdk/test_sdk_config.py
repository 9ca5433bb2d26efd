"""config.json as Azure looks for it, and where tokens come from and go to."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from mlportal_sdk import config, errors

CONTENT = {
    "subscription_id": "mlportal",
    "resource_group": "mlportal",
    "workspace_name": "lab",
    "portal_url": "http://Portal.example:8000/",
}


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MLPORTAL_", "MLFLOW_", "AZUREML_", "XDG_")):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    (tmp_path / "work" / "notebooks").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work" / "notebooks")


def put(path: Path, content: Any = CONTENT) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("place", ["", ".azureml", "aml_config", "..", "../.azureml", "../aml_config", "../.."])
def test_it_is_found_where_azure_looks(place: str, tmp_path: Path) -> None:
    path = put(tmp_path / "work" / "notebooks" / place / "config.json")
    found = config.read()
    assert (found.portal_url, found.workspace) == ("http://portal.example:8000", "lab")
    assert Path(found.path).samefile(path)


def test_the_nearest_is_taken_and_a_path_may_be_a_folder_or_a_file(tmp_path: Path) -> None:
    put(tmp_path / "work" / "config.json", {**CONTENT, "workspace_name": "above"})
    here = put(tmp_path / "work" / "notebooks" / ".azureml" / "config.json")
    other = put(tmp_path / "other.json", {**CONTENT, "workspace_name": "other"})
    assert config.read().path == str(here)
    assert config.read(str(tmp_path / "work")).workspace == "above"
    assert config.read(str(other)).workspace == "other"
    assert config.read(str(tmp_path), file_name="other.json").workspace == "other"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "cannot be read"),
        ("[]", "holds no object"),
        ({"portal_url": "http://x"}, "workspace_name"),
        ({**CONTENT, "portal_url": None}, "one of Azure's"),
        ({**CONTENT, "portal_url": "ftp://x"}, "address"),
        ({**CONTENT, "portal_url": "http://x:port"}, "port"),
    ],
)
def test_a_wrong_one_says_what_to_do(content: Any, text: str, tmp_path: Path) -> None:
    put(tmp_path / "work" / "config.json", content)
    with pytest.raises(errors.NotConfigured, match=text):
        config.read()


def test_a_missing_one_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(errors.NotConfigured, match=r"work/notebooks nor above.*Download"):
        config.read()


def test_one_of_azures_works_with_the_address_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "work" / "config.json", {**CONTENT, "portal_url": ""})
    monkeypatch.setenv("MLPORTAL_URL", "https://portal.example/")
    assert config.read().portal_url == "https://portal.example"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.json"
    config.write(str(path), config.WorkspaceConfig("http://x", "lab", "s", "r", ""))
    assert vars(config.read(str(path))) == {
        "portal_url": "http://x",
        "workspace": "lab",
        "subscription_id": "s",
        "resource_group": "r",
        "path": str(path),
    }


def test_tokens_are_kept_by_portal_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = Path(config.keep_token("http://one:1/", "mlp_one", "ann"))
    config.keep_token("http://two:2", "mlp_two")
    assert path == tmp_path / "home" / ".config" / "mlportal" / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["credentials.json"]
    assert (config.token_for("http://ONE:1"), config.token_for("http://two:2")) == ("mlp_one", "mlp_two")
    assert config.token_for("http://three:3") is None
    assert config.of_environment().portal_url == "http://two:2"
    assert config.forget_token("http://two:2") == ["http://two:2"]
    assert config.token_for("http://two:2") is None
    assert config.of_environment().portal_url == "http://one:1"


def test_a_file_that_others_could_read_is_closed_to_them_by_the_next_login() -> None:
    path = Path(config.keep_token("http://one:1", "mlp_one"))
    path.chmod(0o644)
    config.keep_token("http://one:1", "mlp_new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_damaged_credentials_say_what_to_do() -> None:
    path = Path(config.keep_token("http://one:1", "mlp_one"))
    path.write_text('{"portals": [')
    with pytest.raises(errors.NotConfigured, match="log in again"):
        config.token_for("http://one:1")


def test_the_token_of_the_environment_is_for_the_portal_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A config.json of somebody else's names a portal of theirs."""
    monkeypatch.setenv("MLPORTAL_TOKEN", "mlp_mine")
    assert config.token_for("http://any") == "mlp_mine"
    monkeypatch.setenv("MLPORTAL_URL", "http://mine:8000")
    assert config.token_for("http://mine:8000/") == "mlp_mine"
    assert config.token_for("http://evil:8000") is None


def test_in_a_run_its_own_token_is_used_for_its_portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "work" / "config.json")
    monkeypatch.setenv("MLPORTAL_RUN_DIR", "/run")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "run-token")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://inside:8000/w/lab2")
    found = config.of_environment()
    assert (found.portal_url, found.workspace) == ("http://inside:8000", "lab2")
    assert config.token_for("http://inside:8000") == "run-token"
    assert config.token_for("http://portal.example:8000") is None


def test_without_anything_the_error_names_the_ways() -> None:
    with pytest.raises(errors.NotConfigured, match=r"mlportal login.*config\.json.*MLPORTAL_URL"):
        config.of_environment()
