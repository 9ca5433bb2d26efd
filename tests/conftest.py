"""What every test stands on: a home of its own for the portal's settings, people, and a workspace of theirs."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import shared

if TYPE_CHECKING:
    from experiments.models import Run
    from mlportal.access.models import User, Workspace

pytest_plugins = ["tests.chromium"]

# The smallest environment there is: a Python, and not one package.
TINY = f"dependencies:\n  - python={sys.version_info.major}.{sys.version_info.minor}\n"
TEMPLATE = "TESTS_TEMPLATE"  # on PostgreSQL: a database that has the tables already
_home: Path | None = None
_shared: Path | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Nothing that a portal of this checkout keeps is touched by a test."""
    global _home, _shared
    # Started in the background of a shell without job control, this process and all its children would ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Playwright keeps an event loop in the thread of the tests, and Django would refuse them its database from then on.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    _shared = shared.begin()
    from django.conf import settings

    if not settings.configured:  # the pure tests may be run without Django
        return
    _home = Path(tempfile.mkdtemp(prefix="mlportal-tests-"))
    settings.HOME = _home
    for name in ("RUNS_DIR", "ENVIRONMENTS_DIR", "SERVING_DIR", "FILE_UPLOAD_TEMP_DIR", "STATIC_ROOT"):
        setattr(settings, name, _home / name.lower())
    settings.FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700)
    settings.STATIC_ROOT.mkdir()
    settings.STORAGES["default"]["OPTIONS"] = {"location": str(_home / "storage")}
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        settings.DATABASES["default"]["TEST"]["NAME"] = str(_home / "portal.sqlite3")
    elif template := os.environ.get(TEMPLATE):
        settings.DATABASES["default"]["TEST"]["TEMPLATE"] = template
    for name in ("queue", "control"):
        (_home / "broker" / name).mkdir(parents=True)
    settings.CELERY_BROKER_TRANSPORT_OPTIONS.update(
        data_folder_in=str(_home / "broker" / "queue"),
        data_folder_out=str(_home / "broker" / "queue"),
        control_folder=str(_home / "broker" / "control"),
    )


# Folders whose files share a portal, or what takes long to make: each is one process's,
TOGETHER = ("browser", "command_line", "environments", "faults", "mlflow", "sdk", "serving")
# but for these files.
ALONE = (
    "command_line/test_install.py", "faults/test_ctrl_c.py", "faults/test_killed_in_a_request.py", "sdk/test_sdk_",
    "serving/test_ages.py", "serving/test_entry_script.py", "serving/test_estimators.py", "serving/test_hostile.py",
    "serving/test_replica.py",
)  # fmt: skip
# These take a minute and more, the longest first: who comes to one of them last would keep the others waiting.
FIRST = (
    "sdk", "mlflow", "faults", "services/test_on_servers.py", "command_line", "serving", "services/test_on_s3.py",
    "serving/test_estimators.py", "services/test_broker_away.py", "faults/test_ctrl_c.py", "demo/test_demo.py",
    "api/test_fuzz.py", "serving/test_hostile.py", "serving/test_ages.py", "serving/test_entry_script.py", "browser",
    "command_line/test_install.py", "models_registry/test_scripts_served.py", "environments", "services",
    "faults/test_killed_in_a_request.py", "serving/test_replica.py", "sdk/test_sdk_examples.py", "races",
    "test_new_targets.py", "api/test_docs.py", "models_registry", "trash/test_retention_migration.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In which order the processes of the suite take the groups. (`--no-loadscope-reorder`)"""

    def place(item: pytest.Item) -> int:
        group = group_of(path_of(item.nodeid))
        folder = group.partition("/")[0]
        names = (group,) if folder in TOGETHER else (group, folder)
        return next((FIRST.index(name) for name in names if name in FIRST), len(FIRST))

    items.sort(key=place)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What each process of the suite takes as a whole: a file, or a folder. (xdist's marks of groups do nothing in pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class InGroups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(path_of(nodeid))

    return InGroups(config, log)


def group_of(path: str) -> str:
    folder = path.partition("/")[0]
    return folder if folder in TOGETHER and not path.startswith(ALONE) else path


def path_of(nodeid: str) -> str:
    """Of the test's file, below this folder."""
    return nodeid.partition("::")[0].removeprefix("tests/")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _home is not None:
        shutil.rmtree(_home, ignore_errors=True)
    if _shared is not None:
        shared.end(_shared)


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_use_migrations: bool, django_db_modify_db_settings: None) -> bool:
    """The database of the tests is there already: a copy of the one that all processes of the suite share."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3") or not django_db_use_migrations:
        return False
    shutil.copyfile(shared.empty_database(), database["TEST"]["NAME"])
    return True


@pytest.fixture(autouse=True)
def bare_workspaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new workspace has no environments yet, so that a test counts only its own."""
    from django.conf import settings

    if settings.configured:
        from mlportal.access import services

        monkeypatch.setattr(services, "NEW_WORKSPACE", [])


@pytest.fixture(autouse=True)
def nobody_has_asked_yet() -> None:
    """The requests of one test are not held against the next one."""
    from django.conf import settings

    if settings.configured:
        from mlportal.api import rates

        rates.requests.clear()
        rates.refusals.clear()


@pytest.fixture
def owner(db: None) -> User:
    from mlportal.access.models import User

    return User.objects.create_user("olga", password="not-needed-here")


@pytest.fixture
def workspace(owner: User) -> Workspace:
    """`lab`: olga owns it, carl contributes, rita reads; sam is a stranger to it."""
    from mlportal.access.services import create_workspace

    return create_workspace("lab", by=owner)


@pytest.fixture
def contributor(workspace: Workspace, owner: User) -> User:
    return _member("carl", "contributor", workspace, owner)


@pytest.fixture
def reader(workspace: Workspace, owner: User) -> User:
    return _member("rita", "reader", workspace, owner)


@pytest.fixture
def stranger(db: None) -> User:
    from mlportal.access.models import User

    return User.objects.create_user("sam", password="not-needed-here")


def _member(name: str, role: str, workspace: Workspace, owner: User) -> User:
    from mlportal.access.models import User
    from mlportal.access.services import set_member

    person = User.objects.create_user(name, password="not-needed-here")
    set_member(workspace, name, role, by=owner)
    return person


MakeRun = Callable[..., "Run"]


@pytest.fixture
def make_run(workspace: Workspace, owner: User) -> MakeRun:
    """A row as a run leaves it; how runs come about is tested elsewhere. A metric is a number, or (min, last, max)."""
    from django.utils import timezone

    from experiments.models import Experiment, Metric, Parameter, Run, Tag

    def make(experiment: str = "iris", **fields: Any) -> Run:
        place = fields.pop("workspace", workspace)
        logged = {kind: fields.pop(kind, {}) for kind in ("metrics", "params", "tags")}
        found, _ = Experiment.objects.get_or_create(workspace=place, name=experiment)
        found.last_number += 1
        found.save(update_fields=["last_number"])
        asked = {"status": "Completed", "created_by": owner, "ended_at": timezone.now(), "script": "train.py", **fields}
        run = Run.objects.create(workspace=place, experiment=found, number=found.last_number, **asked)
        for name, value in logged["metrics"].items():
            least, last, most = value if isinstance(value, tuple) else (value, value, value)
            is_nan = last != last
            Metric.objects.create(
                run=run, name=name, last=None if is_nan else last, last_is_nan=is_nan, least=least, most=most, count=1
            )
        Parameter.objects.bulk_create(
            Parameter(run=run, name=name, value=value) for name, value in logged["params"].items()
        )
        Tag.objects.bulk_create(Tag(run=run, name=name, value=value) for name, value in logged["tags"].items())
        return run

    return make
