"""What runs where: slots, queues and the machines behind them."""

import os
from collections import Counter
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Subquery
from django.utils import timezone

from experiments import environments
from experiments.models import ComputeNode, ComputeTarget, Run
from experiments.runner import isolation
from experiments.status import RUN_OWNED, RunStatus
from mlportal.node import node_name

NODE_SILENT_SECONDS = 60


def compute_overview(workspace: Any = None) -> list[dict[str, Any]]:
    """One object a target: {target, slots, busy, waiting, nodes: [{name, seen_at, alive, details}]}."""
    targets = ComputeTarget.objects.usable_in(workspace) if workspace else ComputeTarget.objects.all()
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
        for target in targets.prefetch_related("nodes")
    ]


def ensure_local_target() -> ComputeTarget:
    """The target `local`: this machine, with a slot a core. An administrator's change of its slots stays."""
    target, _ = ComputeTarget.objects.get_or_create(
        name="local", defaults={"slots": settings.LOCAL_SLOTS, "description": "The machine that the portal runs on"}
    )
    return target


def report_node(targets: list[str]) -> ComputeNode:
    """This machine is here, and has this."""
    details = {
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "pythons": [
            {"version": str(found.version), "source": found.source}
            for found in environments.discover(settings.EXTRA_PYTHONS)
        ],
        "isolation": isolation.select().describe(),
    }
    node, _ = ComputeNode.objects.update_or_create(
        name=node_name(), defaults={"details": details, "seen_at": timezone.now()}
    )
    node.targets.set(ComputeTarget.objects.filter(name__in=targets))
    return node


def queue_place(run: Run) -> dict[str, Any]:
    """Where a queued run stands: {target, position (1 is next, None when it does not wait), slots, busy}."""
    target = run.compute_target
    if target is None:
        return {"target": None, "position": None, "slots": 0, "busy": 0}
    on_target = Run.objects.filter(compute_target=target)
    position = None
    if run.status == RunStatus.QUEUED:
        # Compared in the database: SQLite's clock writes fewer digits than Python, and compares them as text.
        own = Subquery(on_target.filter(pk=run.pk).values("queued_at"))
        before = Q(queued_at__lt=own) | Q(queued_at=own, pk__lt=run.pk)
        position = on_target.filter(before, status=RunStatus.QUEUED).count() + 1
    busy = on_target.filter(status__in=RUN_OWNED).count()
    return {"target": target.name, "position": position, "slots": target.slots, "busy": busy}
