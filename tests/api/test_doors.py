"""Every address of the API, walked by those who may not: nothing opens, and every refusal has the one shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.models import Run
from tests.api.conftest import Callers, error_of

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete")


def addresses(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    """Every route below /api/v1/, as a template with converters."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and route.startswith("api/v1/") and "rest" not in route:
            yield f"/{route}"


def filled(template: str, run: Run | None = None) -> str:
    """A template with names in it: those of the run, or made up."""
    values = {
        "<workspace:workspace>": "lab",
        "<uid:uid>": run.uid if run else "0" * 32,
        "<name:username>": "olga",
        "<name:name>": "trials",
        "<name:alias>": "champion",
        "<experiment:name>": "trials",
    }
    for placeholder, value in values.items():
        template = template.replace(placeholder, value)
    for placeholder in ("token", "build", "number", "golden"):
        template = template.replace(f"<key:{placeholder}>", "1")
    assert "<" not in template, template
    return template


def test_there_are_addresses() -> None:
    assert len(set(addresses())) > 45


def test_nobody_gets_in_anywhere(callers: Callers, run: Run) -> None:
    for template in addresses():
        for method in METHODS:
            answer = getattr(callers["nobody"].client, method)(filled(template, run))
            assert answer.status_code in (401, 405), (method, template, answer.status_code)
            error_of(answer)


def test_a_stranger_learns_of_nothing(callers: Callers, run: Run) -> None:
    rows = Run.objects.count()
    for template in addresses():
        if "<workspace:workspace>" not in template:
            continue
        for method in METHODS:
            answer = getattr(callers["stranger"].client, method)(
                filled(template, run), headers=callers["stranger"].headers
            )
            # 400 and 415: the body is looked at first, which tells nothing of what is there.
            assert answer.status_code in (400, 404, 405, 415), (method, template, answer.status_code)
            error_of(answer)
    assert Run.objects.count() == rows
    run.refresh_from_db()
    assert run.cancel_requested_at is None


def test_a_reader_changes_nothing(callers: Callers, run: Run) -> None:
    for template in addresses():
        if "<workspace:workspace>" not in template or template.endswith("/score/"):
            continue
        for method in METHODS[1:]:
            answer = getattr(callers["reader"].client, method)(filled(template, run), headers=callers["reader"].headers)
            assert answer.status_code in (400, 403, 404, 405, 415), (method, template, answer.status_code)
            error_of(answer)
    run.refresh_from_db()
    assert run.cancel_requested_at is None and run.tags.count() == 1


@pytest.mark.parametrize("token", ["garbage", "Bearer mlp_x"])
def test_a_token_of_another_kind_is_told_from_none(callers: Callers, token: str) -> None:
    answer = callers["nobody"].client.get("/api/v1/me/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert "begin with mlp_" in error_of(answer)["message"]
    assert "not provided" in error_of(callers["nobody"].get("/api/v1/me/"))["message"]


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/"])
def test_the_description_is_for_those_who_are_in(callers: Callers, path: str) -> None:
    assert callers["nobody"].get(path).status_code == 401
    assert callers["reader"].get(path).status_code == 200


@pytest.mark.parametrize("path", ["nothing/", "runs", "runs/x/", "me", "a%00b/", f"workspaces/lab/runs/{'g' * 32}/"])
def test_what_is_not_there_is_told_in_json(callers: Callers, path: str) -> None:
    answer = callers["owner"].get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "no_such_address"


@pytest.mark.parametrize(
    "body", [b"{", b"[1e999]", b"\xff", b'{"a": NaN}', b"[" * 5000, b'"text"', b"[]", b"null", b"3"]
)
def test_a_body_that_is_no_object_is_refused(callers: Callers, run: Run, body: bytes) -> None:
    for path in ("runs/", "environments/", "environments/check/", f"runs/{run.uid}/rerun/", f"runs/{run.uid}/metrics/"):
        url, headers = callers["owner"].url(path), callers["owner"].headers
        answer = callers["owner"].client.post(url, body, "application/json", headers=headers)
        assert answer.status_code == 400, path
        error_of(answer)


def test_a_body_that_is_too_large_is_refused(callers: Callers, run: Run, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = callers["owner"].post("environments/check/", {"definition": "x" * 1000})
    assert answer.status_code == 413
    assert error_of(answer)["details"]["limit"] == 1000


def test_an_accept_header_gets_what_there_is(callers: Callers, run: Run) -> None:
    answer = callers["owner"].get(f"runs/{run.uid}/logs/content/", Accept="text/plain")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")


NAMES = ["cursor", "page_size", "status", "experiment", "search", "created_by", "name", "offset", "limit", "path",
         "points", "after", "download", "curated", "archived"]  # fmt: skip
PATHS = ["runs/", "experiments/", "environments/", "runs/{}/", "runs/{}/logs/content/", "runs/{}/artifacts/",
         "runs/{}/artifacts/content/", "runs/{}/metrics/series/", "runs/{}/values/", "members/"]  # fmt: skip
# The last three are cursors: no number, a negative one, and one that no column holds.
NONSENSE = ["", "-1", "1e9", "\0", "../x", "cD14", "cD0tMQ==", "cj0xJnA9OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk="]
VALUES = st.text(max_size=30) | st.integers().map(str) | st.sampled_from(NONSENSE)
QUERY = st.dictionaries(st.sampled_from(NAMES) | st.text(min_size=1, max_size=8), VALUES, max_size=3)
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(path=st.sampled_from(PATHS), query=QUERY)
def test_no_query_is_a_fault_of_ours(callers: Callers, run: Run, path: str, query: dict[str, str]) -> None:
    query = {key: value.encode("utf-8", "replace").decode() for key, value in query.items()}
    answer = callers["reader"].get(path.format(run.uid), query)
    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        error_of(answer)


FIELDS = ["experiment", "snapshot", "environment", "script", "arguments", "tags", "set", "remove", "records", "as_of",
          "name", "definition", "k", "t", "v", "n", "wall_seconds"]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
)
BODY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)
POSTED = ["runs/", "environments/", "runs/{}/tags/", "runs/{}/metrics/", "runs/{}/rerun/", "members/"]


@FUZZ
@given(path=st.sampled_from(POSTED), body=BODY)
def test_no_body_is_a_fault_of_ours(callers: Callers, run: Run, path: str, body: Any) -> None:
    send = callers["owner"].patch if path.endswith("tags/") else callers["owner"].post
    answer = send(path.format(run.uid), body if body is not None else [])
    assert answer.status_code < 500
    if answer.status_code >= 400:
        error_of(answer)
