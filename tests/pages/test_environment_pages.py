"""Environments: list, version, build, and the form that checks while one types."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments import services
from experiments.models import BuildLogChunk, EnvironmentBuild, EnvironmentVersion
from mlportal.access.models import User, Workspace
from tests.conftest import TINY

BROKEN = "name: x\ndependencies:\n  - python=3.11\n  - pip:\n    - -e .\n"


@pytest.fixture
def version(workspace: Workspace, owner: User) -> EnvironmentVersion:
    return services.add_version(workspace, "tiny", TINY, by=owner)


@pytest.fixture
def build(version: EnvironmentVersion) -> EnvironmentBuild:
    build = EnvironmentBuild.objects.create(version=version, node="box", status="Building")
    BuildLogChunk.objects.create(build=build, text="fetching <numpy>\n")
    return build


def test_curated_ones_are_marked_and_listed_apart(
    client: Client, workspace: Workspace, version: EnvironmentVersion, owner: User
) -> None:
    services.install_curated(workspace)
    client.force_login(owner)
    own, _, curated = client.get("/w/lab/environments/").content.decode().partition("Curated")
    assert "/environments/tiny/" in own
    assert "AzureML-Tutorial" not in own
    assert "AzureML-Tutorial" in curated
    page = client.get(reverse("environment", args=["lab", "AzureML-Tutorial"])).content.decode()
    assert "curated" in page
    assert "Make your own of it" in page


def test_a_version_shows_its_yaml_lock_notes_and_changes(
    client: Client, workspace: Workspace, version: EnvironmentVersion, owner: User
) -> None:
    lock: dict[str, object] = {
        "text": "joblib==0.16.0\nnumpy==1.19.1\n",
        "python_version": "3.6.15",
        "platform": "linux-x86_64",
    }
    lock |= {"index_options": [], "allow_source_builds": False}
    EnvironmentVersion.objects.filter(pk=version.pk).update(
        lock=lock, lock_key="0" * 64, python_version="3.6.15", notes=[{"text": "Read <so>.", "line": 2, "key": None}]
    )
    EnvironmentBuild.objects.create(version=version, node="box", status="Ready", changes=["numpy added"], seconds=3)
    client.force_login(owner)
    html = client.get("/w/lab/environments/tiny/").content.decode()
    assert "2 packages" in html
    assert "1.19.1" in html
    assert "3.6.15" in html
    assert "Read &lt;so&gt;." in html
    assert "numpy added" in html
    assert client.get("/w/lab/environments/tiny/?version=7").status_code == 404
    assert client.get("/w/lab/environments/tiny/?version=x").status_code == 200


def test_the_log_of_a_build_grows_and_ends(
    client: Client, workspace: Workspace, build: EnvironmentBuild, owner: User
) -> None:
    client.force_login(owner)
    page = client.get("/w/lab/environments/tiny/").content.decode()
    assert "fetching &lt;numpy&gt;" in page
    asks = re.search(r'hx-get="(/w/lab/builds/[^"]+)"', page)
    assert asks
    address = asks[1].replace("&amp;", "&")
    assert client.get(address).status_code == 204
    BuildLogChunk.objects.create(build=build, text="done\n")
    more = client.get(address)
    assert more.content.decode().startswith("done\n<span hx-get=")
    assert "fetching" not in more.content.decode()
    EnvironmentBuild.objects.filter(pk=build.pk).update(status="Ready")
    last = client.get(address)
    assert last["HX-Refresh"] == "true"
    assert "hx-get" not in last.content.decode()


def test_a_build_is_canceled_by_a_contributor_only(
    client: Client, workspace: Workspace, build: EnvironmentBuild, reader: User, contributor: User
) -> None:
    address = reverse("build-cancel", args=["lab", build.pk])
    client.force_login(reader)
    assert client.post(address).status_code == 403
    client.force_login(contributor)
    assert client.post(address).status_code == 302
    build.refresh_from_db()
    assert build.cancel_requested_at


def test_build_asks_for_one_build(client: Client, version: EnvironmentVersion, owner: User) -> None:
    client.force_login(owner)
    address = reverse("environment-build", args=["lab", "tiny", 1])
    for _ in range(2):
        assert client.post(address).status_code == 302
    assert version.builds.count() == 1


def test_a_stranger_reaches_no_build(client: Client, build: EnvironmentBuild, stranger: User) -> None:
    from mlportal.access.services import create_workspace

    create_workspace("elsewhere", by=stranger)
    client.force_login(stranger)
    assert client.get(reverse("build-log", args=["elsewhere", build.pk])).status_code == 404
    assert client.post(reverse("build-cancel", args=["elsewhere", build.pk])).status_code == 404
    build.refresh_from_db()
    assert build.cancel_requested_at is None


def test_the_form_says_line_and_reason_while_one_types(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    address = reverse("environment-check", args=["lab"])
    html = client.post(address, {"definition": BROKEN}).content.decode()
    assert "1 problem" in html
    assert 'data-line="5"' in html
    assert "The file can be used" in client.post(address, {"definition": TINY}).content.decode()
    assert client.post(address, {"definition": "", "as_of": "2020-99-99"}).status_code == 200
    assert not EnvironmentVersion.objects.exists()


def test_a_new_environment_is_saved_and_built(client: Client, workspace: Workspace, owner: User) -> None:
    client.force_login(owner)
    form = {"name": "", "definition": "name: from-the-file\n" + TINY, "as_of": "2024-01-31", "build": "on"}
    response = client.post(reverse("environment-new", args=["lab"]), form)
    version = EnvironmentVersion.objects.get()
    assert response["Location"] == version.get_absolute_url()
    assert str(version) == "from-the-file:1"
    assert str(version.as_of) == "2024-01-31"
    assert version.builds.count() == 1
    again = client.post(reverse("environment-new", args=["lab"]), form, follow=True)
    assert "says the same already" in again.content.decode()
    assert EnvironmentVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "definition"), [("x", BROKEN), ("", TINY), ("a/b", TINY), ("x", ""), ("x", "a: 1\n" * 20_000)]
)
def test_what_cannot_be_saved_is_told_in_the_form(
    client: Client, workspace: Workspace, owner: User, name: str, definition: str
) -> None:
    client.force_login(owner)
    response = client.post(reverse("environment-new", args=["lab"]), {"name": name, "definition": definition})
    assert response.status_code == 400
    assert "invalid-feedback" in response.content.decode()
    assert not EnvironmentVersion.objects.exists()


def test_the_form_starts_with_another_ones_text(client: Client, version: EnvironmentVersion, owner: User) -> None:
    client.force_login(owner)
    html = client.get(reverse("environment-new", args=["lab"]), {"from": "tiny", "version": "1"}).content.decode()
    assert 'value="tiny"' in html
    assert TINY.splitlines()[-1].strip() in html
    assert client.get(reverse("environment-new", args=["lab"]), {"from": "nothing"}).status_code == 404


def test_queries_do_not_grow_with_the_environments(
    client: Client, workspace: Workspace, owner: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        version = services.add_version(workspace, f"env-{number}", TINY, by=owner)
        EnvironmentBuild.objects.create(version=version, node="box", status="Ready", seconds=1)
        services.add_version(workspace, "one", f"name: v{number}\n" + TINY, by=owner)
    client.force_login(owner)
    for address in ("/w/lab/environments/", "/w/lab/environments/one/"):
        with django_assert_max_num_queries(16):
            assert client.get(address).status_code == 200


def test_a_yaml_over_64_kb_is_told_by_its_limit_and_no_browser_cuts_it(
    client: Client, workspace: Workspace, owner: User
) -> None:
    client.force_login(owner)
    large = TINY + "# x\n" * 20_000
    typed = client.post(reverse("environment-check", args=["lab"]), {"definition": large}).content.decode()
    saved = client.post(reverse("environment-new", args=["lab"]), {"name": "large", "definition": large})
    for html in (typed, saved.content.decode()):
        assert f"{len(large):,} bytes; an environment may have at most 65,536 (64 kB)" in html
    assert saved.status_code == 400
    assert not EnvironmentVersion.objects.exists()
    empty = client.get(reverse("environment-new", args=["lab"])).content.decode()
    assert 'maxlength="65536"' not in empty


def test_a_version_that_found_its_environment_there_is_built(
    client: Client, version: EnvironmentVersion, owner: User
) -> None:
    EnvironmentBuild.objects.create(version=version, node="box", status="Ready", seconds=None)
    EnvironmentBuild.objects.create(version=version, node="other", status="Failed", error="no such Python")
    client.force_login(owner)
    html = client.get("/w/lab/environments/").content.decode()
    assert "Built" in html and "Failed" not in html
