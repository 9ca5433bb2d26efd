"""The client reaches a machine that reaches nothing but the portal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from tests.command_line.conftest import SDK
from tests.portal import Portal
from tests.sdk.conftest import interpreter

UV = Path(sys.executable).with_name("uv")
CALL = "import azureml.core, mlportal_sdk; print(mlportal_sdk.__file__)"


def clean_environment() -> dict[str, str]:
    """Without this checkout, and with no index to fall back to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "UV_"))}
    return {**kept, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def assert_works(venv: Path) -> None:
    environment = clean_environment()
    asked = [str(venv / "bin" / "mlportal"), "--version"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("mlportal-sdk 0.")
    asked = [str(venv / "bin" / "python"), "-c", CALL]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment, cwd=venv)
    assert str(venv) in done.stdout


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    return tmp_path / "venv"


def test_uv_installs_the_folder_without_an_index(venv: Path, tmp_path: Path) -> None:
    shutil.copytree(SDK, tmp_path / "sdk")
    environment = {**clean_environment(), "UV_CACHE_DIR": str(tmp_path / "cache")}
    install = [str(UV), "pip", "install", "--offline", "--no-index", "--python", str(venv), str(tmp_path / "sdk")]
    subprocess.run([str(UV), "venv", "--quiet", str(venv)], check=True, env=environment)
    subprocess.run(install, check=True, env=environment, capture_output=True)
    assert_works(venv)


@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_pip_installs_the_folder_without_an_index(minor: str, venv: Path, tmp_path: Path) -> None:
    shutil.copytree(SDK, tmp_path / "sdk")
    make_venv(minor, venv)
    install = [str(venv / "bin" / "pip"), "install", "--quiet", "./sdk"]
    subprocess.run(install, check=True, env=clean_environment(), cwd=tmp_path, capture_output=True)
    assert_works(venv)


@pytest.mark.parametrize("minor", ["3.6", "3.13"])
def test_pip_installs_the_wheel_that_the_portal_serves(minor: str, venv: Path, portal: Portal) -> None:
    make_venv(minor, venv)
    page = httpx.get(f"{portal.url}/sdk/").text
    name = next(part for part in page.split('"') if part.endswith(".whl"))
    assert f"pip install {portal.url}{name}" in page
    environment = {name: value for name, value in clean_environment().items() if not name.lower().endswith("_proxy")}
    install = [str(venv / "bin" / "pip"), "install", "--quiet", portal.url + name]
    subprocess.run(install, check=True, env=environment, capture_output=True)
    assert_works(venv)
    found = [str(venv / "bin" / "pip"), "install", "--quiet", "--force-reinstall", "--find-links", f"{portal.url}/sdk/"]
    trusted = ["--trusted-host", "127.0.0.1", "mlportal-sdk"]
    subprocess.run([*found, *trusted], check=True, env=environment, capture_output=True)


def test_the_wheel_holds_every_module_and_nothing_else(portal: Portal) -> None:
    page = httpx.get(f"{portal.url}/sdk/").text
    name = next(part for part in page.split('"') if part.endswith(".whl"))
    answer = httpx.get(portal.url + name)
    assert answer.content == httpx.get(portal.url + name).content
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        names = {one for one in archive.namelist() if ".dist-info/" not in one}
    there = [*(SDK / "mlportal_sdk").rglob("*.py"), *(SDK / "azureml").rglob("*.py")]
    assert names == {str(path.relative_to(SDK)) for path in there}
    assert httpx.get(f"{portal.url}/sdk/mlportal_sdk-9-py3-none-any.whl").status_code == 404
    assert httpx.get(f"{portal.url}/sdk/..%2Fsetup.cfg").status_code == 404


def make_venv(minor: str, venv: Path) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"Python {minor} is not installed")
    subprocess.run([python, "-m", "venv", str(venv)], check=True, capture_output=True)
