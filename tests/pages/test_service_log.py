"""The log on the page of a service: of the whole, or of one replica, which the address names."""

from __future__ import annotations

import pytest
from django.test import Client

from mlportal.access.models import User
from models_registry.models import Deployment, ServiceReplica
from models_registry.status import DeploymentStatus, ReplicaState
from tests.pages.test_registry_pages import (  # noqa: F401  (fixtures)
    HTMX,
    as_is,
    carl,
    deployment,
    register,
    rita,
    signed_in,
    text_of,
    version,
)

PAGE = "/w/lab/deployments/flowers/"


@pytest.fixture
def replicas(deployment: Deployment) -> list[ServiceReplica]:  # noqa: F811
    as_is(deployment, DeploymentStatus.HEALTHY, live_revision=deployment.revision, log="lines of the first")
    return [
        deployment.replicas.create(
            revision=deployment.revision, number=number, state=ReplicaState.READY, log=f"<b>from {number}"
        )
        for number in (1, 2)
    ]


def test_the_log_is_the_services_until_a_replica_is_chosen(rita: Client, replicas: list[ServiceReplica]) -> None:  # noqa: F811
    text = text_of(rita.get(PAGE))
    assert "lines of the first" in text and "from 2" not in text
    assert text.count('<option value="') >= 3 and "iris:1, replica 2" in text
    assert f'href="?log={replicas[1].key}#log"' in text
    assert "of the first one" in text
    replicas[1].delete()
    assert "of the first one" not in text_of(rita.get(PAGE))  # nothing to tell apart


def test_the_address_says_whose_log_is_shown(rita: Client, replicas: list[ServiceReplica]) -> None:  # noqa: F811
    text = text_of(rita.get(PAGE, {"log": replicas[1].key}))
    assert "&lt;b&gt;from 2" in text and "<b>from" not in text
    assert "lines of the first" not in text
    assert f'<option value="{replicas[1].key}" selected>' in text


def test_what_is_chosen_stays_when_the_page_changes_by_itself(rita: Client, replicas: list[ServiceReplica]) -> None:  # noqa: F811
    text = text_of(rita.get(PAGE, {"known": "another", "log": replicas[0].key}, headers=HTMX))
    assert f'<option value="{replicas[0].key}" selected>' in text and 'hx-swap-oob="true"' in text


def test_the_lines_are_drawn_again_only_when_there_are_more(
    rita: Client,  # noqa: F811
    replicas: list[ServiceReplica],
) -> None:
    chosen = {"log": replicas[1].key}
    first = rita.get(f"{PAGE}log/", chosen)
    assert "from 2" in text_of(first)
    known = chosen | {"known": first.context["log_state"]}
    assert rita.get(f"{PAGE}log/", known).status_code == 204
    ServiceReplica.objects.filter(pk=replicas[1].pk).update(log="one more")
    assert "one more" in text_of(rita.get(f"{PAGE}log/", known))


def test_a_choice_goes_into_the_address_of_the_page_beside_what_it_said(
    rita: Client,  # noqa: F811
    replicas: list[ServiceReplica],
) -> None:
    for asked, here, there in (
        (replicas[0].key, "?console=json", f"{PAGE}?console=json&log={replicas[0].key}"),
        ("", f"?log={replicas[0].key}&console=csv", f"{PAGE}?console=csv"),
        ("", "?log=x", PAGE),
    ):
        headers = {**HTMX, "HX-Current-URL": f"http://testserver{PAGE}{here}"}
        assert rita.get(f"{PAGE}log/", {"log": asked}, headers=headers)["HX-Replace-Url"] == there


def test_a_replica_that_has_ended_is_said_to_be_gone(rita: Client, replicas: list[ServiceReplica]) -> None:  # noqa: F811
    key = replicas[1].key
    replicas[1].delete()
    text = text_of(rita.get(PAGE, {"log": key}))
    assert "This replica has ended" in text and "lines of the first" not in text
    for hostile in ("<script>alert(1)</script>", "9" * 5000):
        text = text_of(rita.get(PAGE, {"log": hostile}))
        assert "This replica has ended" in text and "<script>alert" not in text and "9" * 100 not in text


def test_a_stranger_reads_no_log(stranger: User, replicas: list[ServiceReplica]) -> None:
    assert signed_in(stranger).get(f"{PAGE}log/", {"log": replicas[0].key}).status_code == 404
