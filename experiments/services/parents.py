"""Runs whose tag `mlflow.parentRunId` names their parent become its children: the field of the run is the one truth."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F

from experiments.models import Experiment, Run, Tag
from experiments.search.attributes import PARENT_TAG
from experiments.services.trash import lock_experiments


@transaction.atomic
def link_parents(experiment: Experiment) -> int:
    """Of an experiment whose runs were brought in; how many became children."""
    lock_experiments({experiment.pk})
    tags = Tag.objects.filter(run__experiment=experiment, run__parent=None, name=PARENT_TAG)
    everything = Run.objects.filter(experiment=experiment)
    return sum(_link(tag, everything) for tag in tags.select_related("run").order_by("pk"))


@transaction.atomic
def link_parent(run: Run, *, by: Any) -> bool:
    """Of a run that was tagged a moment ago; False where the tag stays one: see `_link`."""
    lock_experiments({run.experiment_id})  # nobody makes a circle, or trashes the parent, meanwhile
    tag = Tag.objects.filter(run=run, run__parent=None, name=PARENT_TAG).select_related("run").first()
    return tag is not None and _link(tag, Run.objects.visible_to(by).filter(experiment=tag.run.experiment_id))


def _link(tag: Tag, among: Any) -> bool:
    """What names no run of the experiment that one may see, or closes a circle, stays a tag; so does a parent in the trash
    whose child is not, for trees are in the trash as a whole."""
    parent = among.filter(uid=(tag.value or "")[:32]).first()
    if parent is None or parent.uid != tag.value or _descends(parent, tag.run):
        return False
    if parent.deleted_at is not None and tag.run.deleted_at is None:
        return False
    Run.objects.filter(pk=tag.run_id).update(parent=parent, revision=F("revision") + 1)
    tag.delete()
    return True


def _descends(run: Run, ancestor: Run) -> bool:
    seen: set[int] = set()
    each: Run | None = run
    while each is not None and each.pk not in seen:
        if each.pk == ancestor.pk:
            return True
        seen.add(each.pk)
        each = each.parent
    return False
