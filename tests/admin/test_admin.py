"""Django admin: every model is there to look at, and nothing there breaks a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from experiments.models import Run
from experiments.status import RunStatus
from mlportal.access.admin import RecordAdmin
from mlportal.access.models import ApiToken, AuditEvent, Membership, User, Workspace
from mlportal.access.services import create_token
from tests.api.conftest import run as run
from tests.api.conftest import running as running
from tests.api.conftest import snapshot as snapshot
from tests.api.conftest import submit as submit
from tests.api.conftest import target as target
from tests.api.conftest import version as version

pytestmark = pytest.mark.django_db
OURS = [
    model
    for label in ("access", "blobs", "experiments", "models_registry")
    for model in apps.get_app_config(label).get_models()
]
EDITABLE = {"User", "Workspace", "ComputeTarget"}


@pytest.fixture
def root(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    return browser


@pytest.fixture
def staff(db: None) -> User:
    """May look at and change whatever permissions allow, and is no administrator."""
    from django.contrib.auth.models import Permission

    person = User.objects.create_user("steve", is_staff=True)
    person.user_permissions.set(Permission.objects.all())
    return person


def address(model: Any, action: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{action}", args=args)


def act(browser: Client, model: Any, action: str, *rows: Any) -> Any:
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return browser.post(address(model, "changelist"), form, follow=True)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_model_can_be_looked_at(root: Client, running: Run, model: Any) -> None:
    assert root.get(address(model, "changelist")).status_code == 200
    assert root.get(address(model, "changelist"), {"q": "abc"}).status_code == 200
    if row := model.objects.first():
        assert root.get(address(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize(
    "model", [model for model in OURS if model.__name__ not in EDITABLE], ids=lambda model: model.__name__
)
def test_what_the_portal_writes_is_read_only(root: Client, model: Any) -> None:
    assert isinstance(admin.site.get_model_admin(model), RecordAdmin)
    assert root.get(address(model, "add")).status_code == 403
    assert "delete_selected" not in root.get(address(model, "changelist")).content.decode()


def test_a_posted_change_of_a_run_changes_nothing(root: Client, run: Run) -> None:
    assert root.post(address(Run, "change", run.pk), {"status": "Completed"}).status_code == 403
    assert root.post(address(Run, "delete", run.pk), {"post": "yes"}).status_code == 403
    run.refresh_from_db()
    assert run.status == RunStatus.NOT_STARTED


def test_runs_are_canceled_through_the_service(root: Client, run: Run) -> None:
    assert "Cancel was requested: 1." in act(root, Run, "cancel", run).content.decode()
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELED
    assert AuditEvent.objects.filter(action="run.cancel", actor__username="root").count() == 1
    assert "already" in act(root, Run, "cancel", run).content.decode()


def test_staff_who_are_not_in_the_workspace_cancel_nothing(staff: User, run: Run) -> None:
    browser = Client()
    browser.force_login(staff)
    assert "needs the role" in act(browser, Run, "cancel", run).content.decode()
    run.refresh_from_db()
    assert run.status == RunStatus.NOT_STARTED


def test_tokens_are_revoked_and_their_digests_not_shown(root: Client, owner: User) -> None:
    token, _ = create_token(owner, "laptop")
    assert token.digest not in root.get(address(ApiToken, "change", token.pk)).content.decode()
    act(root, ApiToken, "revoke", token)
    token.refresh_from_db()
    assert not token.is_usable
    assert AuditEvent.objects.filter(action="token.revoke", actor__username="root").exists()


def test_the_variables_of_a_run_are_not_shown(root: Client, submit: Callable[..., Run]) -> None:
    run = submit(environment_variables={"PASSWORD": "hunter2"})
    assert "hunter2" not in root.get(address(Run, "change", run.pk)).content.decode()


def test_a_password_is_stored_as_a_digest(root: Client) -> None:
    form = {
        "username": "new",
        "usable_password": "true",
        "password1": "a long enough one",
        "password2": "a long enough one",
    }
    assert root.post(address(User, "add"), form).status_code == 302
    person = User.objects.get(username="new")
    assert person.check_password("a long enough one") and "long enough" not in person.password


def test_people_are_not_deleted(root: Client, owner: User) -> None:
    assert root.post(address(User, "delete", owner.pk), {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=owner.pk).exists()


def test_staff_cannot_make_themselves_administrators(staff: User, root: Client) -> None:
    browser = Client()
    browser.force_login(staff)
    page = browser.get(address(User, "change", staff.pk))
    assert page.status_code == 200
    browser.post(
        address(User, "change", staff.pk),
        {"username": "steve", "is_superuser": "on", "is_staff": "on", "is_active": "on"},
    )
    staff.refresh_from_db()
    assert not staff.is_superuser
    chief = User.objects.get(username="root")
    form = {"usable_password": "true", "password1": "a long enough one", "password2": "a long enough one"}
    browser.post(reverse("admin:auth_user_password_change", args=[chief.pk]), form)
    chief.refresh_from_db()
    assert not chief.check_password("a long enough one")


def test_a_workspace_made_here_has_an_owner(root: Client) -> None:
    assert root.post(address(Workspace, "add"), {"name": "made-here", "description": ""}).status_code == 302
    assert Membership.objects.get(workspace__name="made-here").user.username == "root"
    made = Workspace.objects.get(name="made-here")
    root.post(address(Workspace, "change", made.pk), {"name": "renamed", "description": "now with words"})
    made.refresh_from_db()
    assert (made.name, made.description) == ("made-here", "now with words")
    assert root.post(address(Workspace, "delete", made.pk), {"post": "yes"}).status_code == 403


def test_slots_can_be_changed_and_names_not(root: Client, target: Any) -> None:
    root.post(address(type(target), "change", target.pk), {"name": "moved", "slots": "7", "description": ""})
    target.refresh_from_db()
    assert (target.name, target.slots) == ("local", 7)


def test_a_target_with_runs_stays(root: Client, run: Run, target: Any) -> None:
    assert root.post(address(type(target), "delete", target.pk), {"post": "yes"}).status_code == 403


def test_targets_are_not_deleted_by_the_dozen(root: Client, target: Any) -> None:
    other = type(target).objects.create(name="other")
    assert "delete_selected" not in root.get(address(type(target), "changelist")).content.decode()
    form = {"action": "delete_selected", "_selected_action": [target.pk, other.pk], "post": "yes"}
    root.post(address(type(target), "changelist"), form)
    assert type(target).objects.count() == 2


def test_the_target_that_is_always_there_stays_and_an_unused_one_goes(root: Client, target: Any) -> None:
    other = type(target).objects.create(name="misspelt")
    assert root.post(address(type(target), "delete", target.pk), {"post": "yes"}).status_code == 403
    assert root.post(address(type(target), "delete", other.pk), {"post": "yes"}).status_code == 302
    assert [one.name for one in type(target).objects.all()] == ["local"]


def test_more_runs_are_no_more_queries(root: Client, submit: Callable[..., Run]) -> None:
    submit()
    root.get(address(Run, "changelist"))
    with CaptureQueriesContext(connection) as one:
        root.get(address(Run, "changelist"))
    for _ in range(6):
        submit()
    with CaptureQueriesContext(connection) as seven:
        root.get(address(Run, "changelist"))
    assert len(seven) <= len(one)


@pytest.mark.parametrize("signed_in", [True, False])
def test_only_staff_get_in(owner: User, signed_in: bool) -> None:
    browser = Client()
    if signed_in:
        browser.force_login(owner)
    for model in OURS:
        assert browser.get(address(model, "changelist")).status_code == 302
