"""A folder of tiny real wheels and a real uv: most tests here need no network."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import uv

from experiments.environments import Interpreter, discover

MakeWheel = Callable[..., Path]


@pytest.fixture(scope="session")
def interpreters() -> list[Interpreter]:
    return discover()


@pytest.fixture(scope="session")
def interpreter(interpreters: list[Interpreter]) -> Interpreter:
    """The newest Python of this machine."""
    return interpreters[0]


@pytest.fixture(scope="session")
def uv_path() -> Path:
    return Path(uv.find_uv_bin())


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def make_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeWheel:
    """Writes a wheel into the only place from which uv may take packages in this test."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))

    def make(name: str, version: str, *, requires: tuple[str, ...] = (), script: bool = False, pth: str = "") -> Path:
        path = folder / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        files = {
            f"{name}/__init__.py": f"def main():\n    print({version!r})\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if pth:
            files[f"{name}.pth"] = pth
        if script:
            files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {name}:main\n"
        record = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in {**files, f"{info}/RECORD": record}.items():
                archive.writestr(each, content)
        return path

    return make


@pytest.fixture
def wrap_uv(tmp_path: Path, uv_path: Path) -> Callable[[str], Path]:
    """A uv that runs some shell before the real one installs packages; `$STARTED` is a file for it to write."""

    def wrap(before_install: str) -> Path:
        path = tmp_path / "wrapped-uv"
        path.write_text(
            f'#!/bin/sh\nSTARTED="{tmp_path}/started"\n'
            f'if [ "$1 $2" = "pip install" ]; then\n{before_install}\nfi\nexec "{uv_path}" "$@"\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return wrap
