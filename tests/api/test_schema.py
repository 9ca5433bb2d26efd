"""The OpenAPI description says what there is, and the page that shows it loads nothing from elsewhere."""

import re

import pytest
from django.core.management import call_command

from tests.api.conftest import Callers

pytestmark = pytest.mark.django_db


def test_the_schema_is_valid_and_without_warnings() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


def test_the_schema_knows_the_whole_api(callers: Callers) -> None:
    paths = callers["reader"].get("/api/schema/?format=json").json()["paths"]
    for path, methods in {
        "runs/": {"get", "post"},
        "runs/{uid}/": {"get"},
        "runs/{uid}/cancel/": {"post"},
        "runs/{uid}/stream/": set(),
        "snapshots/": {"post"},
        "environments/{name}/versions/{number}/build/": {"post"},
        "members/{username}/": {"delete"},
    }.items():
        found = paths.get(f"/api/v1/workspaces/{{workspace}}/{path}", {})
        assert methods == set(found) - {"parameters"}, path


def test_the_page_to_try_it_is_served_by_the_portal_alone(callers: Callers) -> None:
    page = callers["reader"].get("/api/docs/")
    policy = page["Content-Security-Policy"].split("; ")
    assert "default-src 'self'" in policy and not any(part.startswith("script-src") for part in policy)
    html = page.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert addresses and all(address.startswith("/") for address in addresses)
    assert not re.search(r"<script>", html)
