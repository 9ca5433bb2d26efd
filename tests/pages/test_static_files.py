"""The vendored libraries and our own scripts, as they are served."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from mlportal.pages.static import StaticFiles

STATIC = settings.BASE_DIR / "static"
TEMPLATES = settings.BASE_DIR / "templates"


def test_every_library_comes_with_its_version_and_licence() -> None:
    folders = [path for path in (STATIC / "vendor").iterdir() if path.is_dir()]
    assert len(folders) >= 5
    for folder in folders:
        assert re.fullmatch(r"\d+\.\d+\.\d+\n", (folder / "VERSION").read_text()), folder
        assert len((folder / "LICENSE").read_text()) > 200, folder


def test_every_icon_that_a_template_draws_is_in_the_sprite() -> None:
    drawn = {
        name
        for path in TEMPLATES.rglob("*.html")
        for name in re.findall(r'{% icon "([\w-]+)"|icon="([\w-]+)"', path.read_text())
        for name in name
        if name
    }
    there = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text()))
    assert drawn
    assert drawn <= there


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("static")
    storages = settings.STORAGES | {"staticfiles": {"BACKEND": "mlportal.pages.static.StaticFiles"}}
    with pytest.MonkeyPatch.context() as patch, override_settings(STORAGES=storages, STATIC_ROOT=str(root)):
        patch.setattr(StaticFiles, "compress_files", lambda self, names: iter(()))  # seconds, and not what is tested
        call_command("collectstatic", interactive=False, verbosity=0)
    return root


def test_imports_between_modules_lead_to_files_that_are_there(collected: Path) -> None:
    scripts = [path for path in (collected / "js").rglob("*.js") if re.search(r"\.\w{12}\.js$", path.name)]
    assert scripts
    for script in scripts:
        for address in re.findall(r'(?:from|import)\s*"(\.[^"]+)"', script.read_text()):
            assert (script.parent / address).exists(), f"{script.name} imports {address}"
