"""Whatever a page can do, a program can: each form of the pages has its operation in the JSON API."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.api.conftest import Callers

pytestmark = pytest.mark.django_db
TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
WORKSPACE = "/api/v1/workspaces/{workspace}/"
# The name of a page's address, and what does the same: method and address, below the workspace unless it begins with a slash.
ACTIONS = {
    "token-revoke": "delete /api/v1/tokens/{token}/",
    "member-set": "post members/",
    "member-remove": "delete members/{username}/",
    "experiment-edit": "patch experiments/{name}/",
    "experiment-archive": "post experiments/{name}/archive/",
    "experiment-restore": "post experiments/{name}/restore/",
    "experiment-delete": "delete experiments/{name}/",
    "workspace-empty": "post empty/",
    "runs-bulk": "post runs/bulk/",
    "view-save": "post views/",
    "view-change": "patch views/{uid}/",
    "view-delete": "delete views/{uid}/",
    "compute-delete": "delete compute/{name}/",
    "environment-check": "post environments/check/",
    "environment-build": "post environments/{name}/versions/{number}/build/",
    "build-cancel": "post builds/{build}/cancel/",
    "data-delete": "delete data/files/",
    "dataset-new": "post datasets/",
    "dataset-delete": "delete datasets/{name}/",
    "model-delete": "delete models/{name}/",
    "model-edit": "patch models/{name}/",
    "model-version-alias": "put models/{name}/aliases/{alias}/",
    "model-version-remove-alias": "delete models/{name}/aliases/{alias}/",
    "model-version-stage": "put models/{name}/versions/{number}/stage/",
    "model-version-edit": "patch models/{name}/versions/{number}/",
    "model-version-sample": "put models/{name}/versions/{number}/sample/",
    "model-version-remove-sample": "delete models/{name}/versions/{number}/sample/",
    "model-version-delete": "delete models/{name}/versions/{number}/",
    "model-version-golden": "post models/{name}/versions/{number}/golden/",
    "golden-delete": "delete models/{name}/versions/{number}/golden/{golden}/",
    "deployment-accept-changes": "post deployments/{name}/accept-changes/",
    "model-version-deploy": "post deployments/",
    "deployment-start": "post deployments/{name}/start/",
    "deployment-stop": "post deployments/{name}/stop/",
    "deployment-redeploy": "post deployments/{name}/redeploy/",
    "deployment-candidate": "put deployments/{name}/candidate/",
    "deployment-candidate-remove": "delete deployments/{name}/candidate/",
    "deployment-promote": "post deployments/{name}/candidate/promote/",
    "deployment-roll-back": "post deployments/{name}/roll-back/",
    "deployment-disagreements-forget": "delete deployments/{name}/disagreements/",
    "deployment-scale": "patch deployments/{name}/",
    "deployment-edit": "patch deployments/{name}/",
    "monitoring-watch": "patch deployments/{name}/watch/",
    "monitoring-compare": "post deployments/{name}/drift/",
    "monitoring-forget": "delete deployments/{name}/samples/",
    "deployment-delete": "delete deployments/{name}/",
    "deployment-regenerate-key": "post deployments/{name}/keys/regenerate/",
    "run-trash": "post trash/",
    "run-restore": "post trash/restore/",
    "trash-restore": "post trash/restore/",
    "trash-undo": "post trash/restore/",
    "trash-purge": "post trash/purges/",
    "rule-delete": "delete retention/{number}/",
    "rule-apply": "post retention/{number}/apply/",
    "submit-example": "post snapshots/",
}
# Forms that are sent to the page that they stand on.
OWN_PAGES = {
    "access/workspace_new.html": "post /api/v1/workspaces/",
    "access/tokens.html": "post /api/v1/tokens/",
    "experiments/compute_target.html": "patch compute/{name}/",
    "partials/messages.html": "post trash/restore/",
    "experiments/trash/rule.html": "post retention/",
    "experiments/environment_new.html": "post environments/",
}
SIGNING_IN = {"logout", "registration/login.html", "registration/password_change_form.html"}
FORM = re.compile(r"<form\b[^>]*?method=\"post\"(?:[^>]|(?<=%)>)*>|hx-post=\"[^\"]*\"")
TARGET = re.compile(r"(?:action|hx-post)=\"{% url '([a-z-]+)'")


def forms() -> set[str]:
    """The names of the addresses that the templates' forms are sent to, or the template of those without."""
    found = set()
    for path in TEMPLATES.rglob("*.html"):
        for form in FORM.findall(path.read_text()):
            if "data-api=" in form:
                continue  # its script calls the API itself
            target = TARGET.search(form)
            found.add(target[1] if target else str(path.relative_to(TEMPLATES)))
    return found


def test_every_form_is_known() -> None:
    assert forms() - SIGNING_IN <= ACTIONS.keys() | OWN_PAGES.keys()
    assert len(forms() & ACTIONS.keys()) > 15  # the reader of templates reads


def test_the_api_does_what_the_pages_do(callers: Callers) -> None:
    paths = callers["owner"].get("/api/schema/?format=json").json()["paths"]
    for form, operation in {**ACTIONS, **OWN_PAGES}.items():
        method, _, path = operation.partition(" ")
        assert method in paths.get(path if path.startswith("/") else WORKSPACE + path, {}), f"{form}: {operation}"
