"""Slots, queues and machines."""

from django.conf import settings

from experiments import environments as conda
from experiments import services
from experiments.models import ComputeNode, ComputeTarget, Run
from experiments.querysets.runs import from_now
from experiments.services import compute, starting
from experiments.status import RunStatus
from mlportal.node import node_name
from tests.experiments.conftest import Submit


def test_a_target_gives_no_more_than_its_slots_and_the_first_submitted_first(
    queued: Submit, target: ComputeTarget
) -> None:
    runs = [queued() for _ in range(4)]
    taken = [starting.take_next(target, worker="w") for _ in range(4)]
    assert taken == [runs[0], runs[1], None, None]
    assert [services.explain_scaling(run)["position"] for run in runs[2:]] == [1, 2]
    assert services.explain_scaling(runs[3]) == {"target": "local", "position": 2, "slots": 2, "busy": 2}
    overview = services.compute_overview()[0]
    assert (overview["slots"], overview["busy"], overview["waiting"]) == (2, 2, 2)
    first = taken[0]
    assert first is not None
    type(first).objects.move(first, RunStatus.FAILED)
    assert starting.take_next(target, worker="w") == runs[2]


def test_runs_start_as_they_were_submitted_however_their_environments_became_ready(
    queued: Submit, target: ComputeTarget
) -> None:
    first, second = queued(), queued()
    Run.objects.filter(pk=first.pk).update(queued_at=from_now(60))
    first.refresh_from_db()
    assert [services.explain_scaling(run)["position"] for run in (first, second)] == [1, 2]
    assert starting.take_next(target, worker="w") == first


def test_a_wait_for_a_slot_is_told_as_one(running: Submit) -> None:
    run = running()
    assert services.phases(run)[1].reason == f"Taken by {run.node}."
    Run.objects.filter(pk=run.pk).update(queued_at=from_now(-60))
    run.refresh_from_db()
    assert services.phases(run)[1].reason == f"Waited for a free slot of local; taken by {run.node}."


def test_an_administrator_s_number_of_slots_stays(target: ComputeTarget) -> None:
    ComputeTarget.objects.filter(pk=target.pk).update(slots=7)
    assert compute.ensure_local_target().slots == 7


def test_a_machine_reports_what_it_has(target: ComputeTarget) -> None:
    node = compute.report_node(["local", "unknown"])
    assert (node.name, list(node.targets.all())) == (node_name(), [target])
    assert node.details["cpus"] >= 1
    assert node.details["memory_bytes"] > 0
    assert node.details["pythons"]
    compute.report_node(["local"])
    assert ComputeNode.objects.count() == 1
    nodes = services.compute_overview()[0]["nodes"]
    assert [(found["name"], found["alive"]) for found in nodes] == [(node_name(), True)]


def test_a_check_speaks_of_the_pythons_of_the_targets_machines(db: None) -> None:
    """Not of those that the web's machine happens to have."""
    here = compute.pythons_of()
    assert here and all(each.path.exists() for each in here)  # nobody has reported yet
    for target, pythons in {"old": ["3.6.15"], "new": ["3.19.2", "3.18.1"], "empty": []}.items():
        node = ComputeNode.objects.create(
            name=f"{target}-box", details={"pythons": [{"version": each, "source": "uv"} for each in pythons]}
        )
        node.targets.add(ComputeTarget.objects.create(name=target))
    targets = {target.name: target for target in ComputeTarget.objects.all()}
    assert [str(each.version) for each in compute.pythons_of(targets["new"])] == ["3.19.2", "3.18.1"]
    assert [str(each.version) for each in compute.pythons_of()] == ["3.19.2", "3.18.1", "3.6.15"]
    asked = "dependencies:\n  - python=3.19\n"
    checked = services.check_definition(asked, target=targets["new"])
    assert checked.interpreter is not None and str(checked.interpreter.version) == "3.19.2"
    wrong = services.check_definition(asked, target=targets["old"])
    assert "3.6.15" in wrong.errors[0]["message"] and "3.18" not in wrong.errors[0]["message"]
    assert services.check_definition(asked).errors == []
    assert compute.pythons_of(targets["empty"]) == []


def test_a_report_tells_what_a_check_needs(db: None) -> None:
    target = compute.ensure_local_target()
    compute.report_node(["local"])
    discovered = {(each.version, each.platform) for each in conda.discover(settings.EXTRA_PYTHONS)}
    assert {(each.version, each.platform) for each in compute.pythons_of(target)} == discovered
