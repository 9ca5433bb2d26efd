"""What people ask of services, before any process is started."""

from __future__ import annotations

import pytest

from mlportal.access.models import User, Workspace
from mlportal.access.services import create_workspace
from mlportal.errors import BadInput, Conflict, NotAllowed, StaleState
from models_registry import services
from models_registry.models import Deployment, ModelVersion
from models_registry.services.keys import pair_of
from tests.models_registry.conftest import MakeRun, Register


@pytest.mark.parametrize(
    ("model", "name"),
    [("Iris SVC", "iris-svc"), ("2 fast", "model-2-fast"), ("a", "a-model"), ("x" * 200, "x" * 27)],
)
def test_the_proposed_name_is_made_of_the_models(register: Register, contributor: User, model: str, name: str) -> None:
    version = register(b"bytes", name=model)
    assert services.propose_service_name(version) == name
    assert services.deploy(version, by=contributor).name == name
    assert services.deploy(version, by=contributor).name == f"{name}-2"


def test_a_taken_name_is_refused_with_a_free_one(iris_version: ModelVersion, contributor: User) -> None:
    services.deploy(iris_version, name="iris", by=contributor)
    with pytest.raises(Conflict) as refusal:
        services.deploy(iris_version, name="iris", by=contributor)
    assert refusal.value.details["hint"] == "iris-2"
    assert Deployment.objects.count() == 1


@pytest.mark.parametrize("name", ["x", "Iris", "1st", "a_b", "ends-", "a" * 33])
def test_a_name_that_cannot_be_is_refused(iris_version: ModelVersion, contributor: User, name: str) -> None:
    with pytest.raises(BadInput):
        services.deploy(iris_version, name=name, by=contributor)


def test_a_model_of_an_unknown_environment_is_not_deployed(make_run: MakeRun, contributor: User) -> None:
    run = make_run({"model.joblib": b"1"})
    run.environment_version = None
    run.save(update_fields=["environment_version"])
    version = services.register_model(run, name="iris", path="model.joblib", by=contributor)
    with pytest.raises(BadInput, match="no environment"):
        services.deploy(version, by=contributor)


def test_everything_that_is_asked_is_a_generation_and_an_event(
    iris_version: ModelVersion, register: Register, contributor: User
) -> None:
    deployment = services.deploy(iris_version, by=contributor)
    services.redeploy(deployment, register(b"2"), by=contributor)
    services.stop(deployment, by=contributor)
    services.stop(deployment, by=contributor)
    services.start(deployment, by=contributor)
    services.regenerate_key(deployment, "primary", by=contributor)
    assert deployment.generation == 5
    assert [(event.new, event.reason) for event in reversed(deployment.events.all())] == [
        ("Transitioning", "iris:1 deployed"),
        ("Transitioning", "redeployed with iris:2"),
        ("Stopped", "stopped"),
        ("Transitioning", "started"),
        ("Transitioning", "primary key regenerated"),
    ]


def test_the_second_of_two_who_ask_at_once_is_told(iris_version: ModelVersion, contributor: User) -> None:
    deployment = services.deploy(iris_version, by=contributor)
    seen_before = Deployment.objects.get()
    services.regenerate_key(deployment, "primary", by=contributor)
    with pytest.raises(StaleState):
        services.stop(seen_before, by=contributor)


def test_what_makes_no_sense_is_refused(
    iris_version: ModelVersion, register: Register, contributor: User, owner: User
) -> None:
    deployment = services.deploy(iris_version, by=contributor)
    with pytest.raises(Conflict):
        services.start(deployment, by=contributor)
    with pytest.raises(Conflict):
        services.redeploy(deployment, iris_version, by=contributor)
    with pytest.raises(BadInput):
        services.regenerate_key(deployment, "tertiary", by=contributor)
    elsewhere = create_workspace("elsewhere", by=owner)
    foreign = register(b"2")
    foreign.model.workspace = elsewhere
    with pytest.raises(BadInput):
        services.redeploy(deployment, foreign, by=owner)


def test_readers_and_strangers_change_nothing(
    iris_version: ModelVersion, contributor: User, reader: User, stranger: User, workspace: Workspace
) -> None:
    deployment = services.deploy(iris_version, by=contributor)
    for person in (reader, stranger):
        for attempt in (
            lambda by: services.deploy(iris_version, by=by),
            lambda by: services.redeploy(deployment, iris_version, by=by),
            lambda by: services.stop(deployment, by=by),
            lambda by: services.start(deployment, by=by),
            lambda by: services.delete(deployment, by=by),
            lambda by: services.keys(deployment, by=by),
            lambda by: services.regenerate_key(deployment, "primary", by=by),
        ):
            with pytest.raises(NotAllowed):
                attempt(person)
    assert Deployment.objects.get().generation == 1


def test_keys_are_derived_and_change_one_by_one(iris_version: ModelVersion, contributor: User) -> None:
    one = services.deploy(iris_version, by=contributor)
    other = services.deploy(iris_version, by=contributor)
    assert len({*pair_of(one), *pair_of(other)}) == 4
    primary, secondary = services.keys(one, by=contributor)
    assert primary.startswith("mls_") and len(primary) == 4 + 43
    fresh = services.regenerate_key(one, "primary", by=contributor)
    assert pair_of(Deployment.objects.get(pk=one.pk)) == (fresh, secondary)
    assert fresh != primary
    assert services.is_key(f"Bearer {fresh}", pair_of(one))
    for header in (None, "", "Bearer", f"Bearer {primary}", fresh, f"Basic {fresh}", "Bearer é\udce9"):
        assert not services.is_key(header, pair_of(one)), header
