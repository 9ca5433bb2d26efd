"""The vendored libraries and our own scripts, as they are served."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.test import Client, override_settings

from mlportal.access.models import User, Workspace
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


def served(path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body as the ASGI handler sends them."""
    sent: list[Any] = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), text.encode()) for name, text in {"host": "testserver", **headers}.items()],
        "server": ("testserver", 80),
    }  # fmt: skip

    async def ask() -> None:
        waiting = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            return waiting.pop() if waiting else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(get_asgi_application()(scope, receive, send), 20)

    asyncio.run(ask())
    found = {name.decode().lower(): text.decode() for name, text in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.filterwarnings("error:StreamingHttpResponse")
def test_static_files_are_served_without_a_warning(collected: Path) -> None:
    icon = next(collected.glob("favicon.*.svg"))
    whole, path = icon.read_bytes(), f"/static/{icon.name}"
    with override_settings(STATIC_ROOT=str(collected)):
        status, headers, body = served(path)
        assert (status, headers["content-type"], body) == (200, "image/svg+xml", whole)
        assert headers["content-length"] == str(len(whole))
        assert served(path, method="HEAD")[::2] == (200, b"")
        assert served(path, **{"If-None-Match": headers["etag"]})[::2] == (304, b"")
        assert served(path, Range="bytes=1-3")[::2] == (206, whole[1:4])
        assert served(path, method="POST")[0] == 405


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("error:StreamingHttpResponse")
def test_an_example_is_downloaded_without_a_warning(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    status, headers, body = served("/w/lab/examples/train_iris.py", Cookie=cookie)
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert headers["content-disposition"] == 'attachment; filename="train_iris.py"'
    assert body == (settings.BASE_DIR / "examples" / "iris" / "train_iris.py").read_bytes()


def test_browsers_find_the_icon_where_no_page_names_one(client: Client) -> None:
    assert client.get("/favicon.ico")["Location"] == "/static/favicon.svg"
