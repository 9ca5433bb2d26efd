"""The OpenAPI description says what there is, and the page that shows it loads nothing from elsewhere."""

import re

import pytest
from django.core.management import call_command

from tests.api.conftest import Callers

pytestmark = pytest.mark.django_db
# What follows the last name of its address. Nothing is made there, the content is the key, or the answer is a secret.
NOT_ONCE = {"blobs/", "snapshots/", "snapshots/plan/", "snapshots/manifest/", "environments/check/", "artifacts/",
            "score/", "score-file/", "keys/regenerate/", "/api/v1/tokens/", "compare/", "compare/curves/"}  # fmt: skip


def test_the_schema_is_valid_and_without_warnings() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


def test_the_schema_knows_the_whole_api(callers: Callers) -> None:
    paths = callers["reader"].get("/api/schema/?format=json").json()["paths"]
    for path, methods in {
        "runs/": {"get", "post"},
        "runs/{uid}/": {"get", "patch"},
        "runs/{uid}/cancel/": {"post"},
        "runs/{uid}/stream/": {"get"},
        "snapshots/": {"post"},
        "environments/{name}/versions/{number}/build/": {"post"},
        "members/{username}/": {"delete"},
    }.items():
        found = paths.get(f"/api/v1/workspaces/{{workspace}}/{path}", {})
        assert methods == set(found) - {"parameters"}, path


def test_the_schema_tells_how_a_run_is_followed(callers: Callers) -> None:
    paths = callers["reader"].get("/api/schema/?format=json").json()["paths"]
    follow = paths["/api/v1/workspaces/{workspace}/runs/{uid}/stream/"]["get"]
    assert {(one["name"], one["in"]) for one in follow["parameters"]} == {
        ("workspace", "path"),
        ("uid", "path"),
        ("log", "query"),
        ("offset", "query"),
        ("Last-Event-ID", "header"),
    }
    answer = follow["responses"]["200"]
    assert set(answer["content"]) == {"text/event-stream"}
    assert answer["content"]["text/event-stream"]["examples"]
    for event in ("run", "build", "log", "metrics", "end"):
        assert f"| `{event}` |" in answer["description"]


def test_every_operation_says_what_it_does_where_it_belongs_and_how_it_refuses(callers: Callers) -> None:
    schema = callers["reader"].get("/api/schema/?format=json").json()
    summaries = set()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            said = f"{method} {path}"
            assert operation.get("summary") and len(operation["tags"]) == 1, said
            summaries.add(operation["summary"])
            refusals = operation["responses"]
            assert {"400", "401", "403", "429", "503"} <= refusals.keys(), said
            assert "{" not in path or "404" in refusals, said
            assert method not in ("post", "patch") or {"409", "413", "415"} <= refusals.keys(), said
            names = {one["name"] for one in operation.get("parameters", [])}
            assert method != "post" or ("Idempotency-Key" in names) == (path.split("}/")[-1] not in NOT_ONCE), said
    assert len(summaries) > 60  # none says what all do
    error = {"$ref": "#/components/schemas/Error"}
    assert schema["components"]["responses"]["404"]["content"]["application/json"]["schema"] == error


def test_fields_are_listed_where_they_can_be_chosen(callers: Callers) -> None:
    paths = callers["reader"].get("/api/schema/?format=json").json()["paths"]
    for path, name in (("runs/", "status"), ("runs/{uid}/", "phases"), ("compute/", "slots")):
        given = paths[f"/api/v1/workspaces/{{workspace}}/{path}"]["get"]["parameters"]
        fields = next(one for one in given if one["name"] == "fields")
        assert name in fields["schema"]["items"]["enum"] and fields["explode"] is False


def test_only_a_session_makes_tokens_by_the_schema(callers: Callers) -> None:
    paths = callers["reader"].get("/api/schema/?format=json").json()["paths"]
    assert paths["/api/v1/tokens/"]["post"]["security"] == [{"session": []}]


def test_the_page_to_try_it_is_served_by_the_portal_alone(callers: Callers) -> None:
    page = callers["reader"].get("/api/docs/")
    policy = page["Content-Security-Policy"].split("; ")
    assert "default-src 'self'" in policy and not any(part.startswith("script-src") for part in policy)
    html = page.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert addresses and all(address.startswith("/") for address in addresses)
    assert not re.search(r"<script>", html)
