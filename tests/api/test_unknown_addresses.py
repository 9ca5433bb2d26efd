"""What a client of another version asks for is answered in the API's own shape, whatever the method."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_an_address_that_is_not_there_says_so_by_code(method: str) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.generic(method, "/api/v1/workspaces/lab/moons/", b"{}", "application/json")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "no_such_address"


def test_a_parameter_that_is_not_there_says_so_by_code(client: Client, owner: object) -> None:
    client.force_login(owner)  # type: ignore[arg-type]
    answer = client.get("/api/v1/me/?moon=full")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unknown_parameter"


def test_a_method_that_is_not_there_is_told_before_its_parameters(client: Client, owner: object) -> None:
    client.force_login(owner)  # type: ignore[arg-type]
    answer = client.delete("/api/v1/me/?moon=full")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "address",
    ["/w/%00/", "/w/lab/models/?q=%00", "/w/lab/runs/%00/", "/api/v1/me/?fields=%00", "/api/v1/workspaces/%00/"],
)
def test_a_nul_in_an_address_is_refused_before_a_database_is_asked(client: Client, owner: object, address: str) -> None:
    client.force_login(owner)  # type: ignore[arg-type]
    assert client.get(address).status_code == (400 if "?" in address else 404)


def test_a_nul_that_is_quoted_twice_is_no_name(client: Client, owner: object) -> None:
    client.force_login(owner)  # type: ignore[arg-type]
    assert client.get("/api/v1/workspaces/lab/experiments/a%2500b/").status_code == 404
