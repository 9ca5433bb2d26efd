"""What runs where: slots, queues and the machines behind them."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from packaging.version import InvalidVersion, Version

from experiments import environments
from experiments.models import ComputeNode, ComputeTarget, Run
from experiments.querysets.runs import from_now
from experiments.runner import isolation
from experiments.status import RUN_OWNED, RunStatus
from mlportal.access.models import Workspace
from mlportal.errors import BadInput
from mlportal.node import node_name

NODE_SILENT_SECONDS = 60


def compute_overview(workspace: Any = None) -> list[dict[str, Any]]:
    """One object a target: {target, slots, busy, waiting, nodes: [{name, seen_at, alive, details}]}."""
    targets = ComputeTarget.objects.usable_in(workspace) if workspace else ComputeTarget.objects.there()
    return look_at(targets)


def look_at(targets: QuerySet[ComputeTarget]) -> list[dict[str, Any]]:
    """The same of these targets."""
    counted = (
        Run.objects.filter(compute_target__in=targets, status__in=[*RUN_OWNED, RunStatus.QUEUED])
        .order_by()
        .values_list("compute_target", "status")
        .annotate(Count("pk"))
    )
    waiting: Counter[int] = Counter()
    busy: Counter[int] = Counter()
    for target_id, status, count in counted:
        (waiting if status == RunStatus.QUEUED else busy)[target_id] += count
    now = timezone.now()
    return [
        {
            "target": target,
            "slots": target.slots,
            "busy": busy[target.pk],
            "waiting": waiting[target.pk],
            "nodes": [
                {
                    "name": node.name,
                    "seen_at": node.seen_at,
                    "alive": (now - node.seen_at).total_seconds() < NODE_SILENT_SECONDS,
                    "details": node.details,
                }
                for node in target.nodes.all()
            ],
        }
        for target in targets.select_related("workspace").prefetch_related("nodes")
    ]


def ensure_local_target() -> ComputeTarget:
    """The target `local`: this machine, with a slot a core. An administrator's change of its slots stays."""
    target, _ = ComputeTarget.objects.there().get_or_create(
        workspace=None,
        name="local",
        defaults={"slots": settings.LOCAL_SLOTS, "description": "The machine that the portal runs on"},
    )
    return target


def served(names: Sequence[str] | None) -> list[ComputeTarget]:
    """The targets that a worker was told to serve: by a name, as `lab/cluster` of one workspace, or None for all there are."""
    targets = ComputeTarget.objects.there().select_related("workspace")
    return [target for target in targets if names is None or target.name in names or target.full_name in names]


def report_node(names: Sequence[str] | None) -> ComputeNode:
    """This machine is here, has this, and serves these."""
    details = {
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "pythons": [
            {"version": str(found.version), "source": found.source, "platform": found.platform}
            for found in environments.discover(settings.EXTRA_PYTHONS)
        ],
        "isolation": isolation.select().describe(),
    }
    node, _ = ComputeNode.objects.update_or_create(name=node_name(), defaults={"details": details, "seen_at": Now()})
    node.targets.set(served(names))
    return node


def target_named(workspace: Workspace, name: str) -> ComputeTarget:
    """BadInput lists the targets that the workspace may use."""
    usable = ComputeTarget.objects.usable_in(workspace)
    target = usable.filter(name=name).order_by(F("workspace").asc(nulls_last=True)).first()  # their own one first
    if target is None:
        known = ", ".join(usable.values_list("name", flat=True))
        raise BadInput(f"There is no compute target {name!r} here; there are: {known or 'none'}.", field="target")
    return target


def refuse_deleted(target: ComputeTarget) -> None:
    """After a run was written for it: whoever deletes a target takes its row's lock, and waits for those who refer to it."""
    if not ComputeTarget.objects.there().filter(pk=target.pk).exists():
        raise BadInput(f"The compute target {target.name} was deleted meanwhile.", field="target")


def living_nodes(target: ComputeTarget | None) -> set[str]:
    """The names of the machines that serve it and have reported lately."""
    if target is None:
        return set()
    return set(target.nodes.filter(seen_at__gt=from_now(-NODE_SILENT_SECONDS)).values_list("name", flat=True))


def builder_for(target: ComputeTarget | None) -> str:
    """The machine on which to build for a run of this target: one that will run it, this one if it may be."""
    here, living = node_name(), living_nodes(target)
    return here if here in living or not living else min(living)


def pythons_of(target: ComputeTarget | None = None) -> list[environments.Interpreter]:
    """What the machines of this target have said they have (of every target when None); while none has ever reported,
    what this machine has. The path of a reported one is meant there."""
    nodes = ComputeNode.objects.all() if target is None else target.nodes.all()
    reports = list(nodes.filter(details__has_key="pythons").values_list("details", flat=True))
    if not reports:
        return environments.discover(settings.EXTRA_PYTHONS)
    found: dict[Version, environments.Interpreter] = {}
    for told in (python for report in reports for python in report["pythons"]):
        with suppress(InvalidVersion):
            python = environments.Interpreter(
                Version(told["version"]), Path(), told["source"], told.get("platform", "")
            )
            found.setdefault(python.version, python)
    return sorted(found.values(), key=lambda each: each.version, reverse=True)


def queue_place(run: Run) -> dict[str, Any]:
    """Where a queued run stands: {target, position (1 is next, None when it does not wait), slots, busy}."""
    target = run.compute_target
    if target is None:
        return {"target": None, "position": None, "slots": 0, "busy": 0}
    on_target = Run.objects.filter(compute_target=target)
    position = None
    if run.status == RunStatus.QUEUED:
        position = on_target.filter(pk__lt=run.pk, status=RunStatus.QUEUED).count() + 1
    busy = on_target.filter(status__in=RUN_OWNED).count()
    return {"target": target.name, "position": position, "slots": target.slots, "busy": busy}
