"""A second version beside the one that answers: a share of the requests, a copy of the others, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from mlportal.access.models import User
from mlportal.access.roles import Role
from mlportal.access.services import record, require
from mlportal.errors import BadInput, Conflict
from models_registry.models import Deployment, Disagreement, MirrorCount, ModelVersion, Revision
from models_registry.services import journal
from models_registry.services.deployments import changed_revision, make_of
from models_registry.services.history import note_served
from models_registry.services.revisions import Inference, made_of
from models_registry.services.standby import NO_STANDBY, standby_fields
from models_registry.status import DeploymentStatus, ReplicaState

WELL = frozenset({DeploymentStatus.HEALTHY, DeploymentStatus.UNHEALTHY})


@transaction.atomic
def set_candidate(
    deployment: Deployment,
    versions: Sequence[ModelVersion] | None = None,
    *,
    inference: Inference | None = None,
    percent: int | None = None,
    mirror: int | None = None,
    by: User,
) -> None:
    """Give a second version a share of the requests, or change the shares of the one that is there.

    `percent` of the requests are answered by it, `mirror` percent of the others are copied to it. None leaves a share
    as it is, which for a new candidate is 0. What answers is not started anew.
    """
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    for name, value in (("percent", percent), ("mirror", mirror)):
        if value is not None and not 0 <= value <= 100:
            raise BadInput(f"{name} is from 0 to 100.", field=name)
    now = deployment.candidate
    same = now is not None and inference is None and (versions is None or now.versions == list(versions))
    if same:
        assert now is not None
        revision, fields = now, {}
    else:
        if versions is None and inference is None:
            raise BadInput(f"{deployment} has no second version: say which it shall be.", field="version")
        if versions is not None and inference is None and list(versions) == deployment.revision.versions:
            raise Conflict(f"{deployment} is made of that already: it gets every request.", field="version")
        revision = changed_revision(deployment.revision, versions, inference, by)
        fields = _taken_from_standby(deployment, revision)
        revision = fields.pop("candidate", revision)
        if bool(revision.entry_script) != bool(deployment.revision.entry_script):
            raise BadInput(
                "Either both versions have an entry script or neither: their callers send the same requests.",
                field="inference",
            )
    kept = (deployment.candidate_percent, deployment.mirror_percent) if same else (0, 0)
    shares = (kept[0] if percent is None else percent, kept[1] if mirror is None else mirror)
    if same and shares == kept:
        return
    fields |= {"candidate": revision, "candidate_percent": shares[0], "mirror_percent": shares[1]}
    _note(deployment, f"{revision} gets {shares[0]} % of the requests{_copies(shares[1])}", by=by, **fields)
    Revision.objects.unused(deployment.workspace).delete()


@transaction.atomic
def remove_candidate(deployment: Deployment, *, by: User) -> None:
    """The version that answers gets every request again. Without a candidate nothing changes."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    candidate = deployment.candidate
    if candidate is None:
        return
    _note(deployment, f"{candidate} was taken back", by=by, **NO_CANDIDATE)
    Revision.objects.unused(deployment.workspace).delete()


@transaction.atomic
def promote(deployment: Deployment, *, by: User) -> None:
    """Have the candidate answer every request. Its replicas are kept; more of them are started first where it has too
    few of them."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    candidate = deployment.candidate
    if candidate is None:
        raise Conflict(f"{deployment} has no second version.", code="no_candidate")
    if deployment.status in WELL and _ready(deployment, candidate) >= deployment.desired_replicas:
        _switch(deployment, candidate, f"{candidate} was promoted", by=by, **NO_CANDIDATE)
        return
    make_of(deployment, candidate, by=by, said=f"{candidate} was promoted", **NO_CANDIDATE)


@transaction.atomic
def roll_back(deployment: Deployment, *, by: User) -> bool:
    """Have the version before this one answer again. True: its replicas stood by, so it answers at once.

    Otherwise it is an update like any other: what answers now does so until the other one is ready.
    """
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    earlier = previous(deployment)
    if earlier is None:
        raise Conflict(f"No version has answered for {deployment} before this one.", code="no_earlier_version")
    if deployment.status in WELL and earlier == deployment.standby and _ready(deployment, earlier):
        _switch(deployment, earlier, f"rolled back to {earlier}", by=by)
        return True
    make_of(deployment, earlier, by=by, said=f"rolled back to {earlier}")
    return False


def previous(deployment: Deployment) -> Revision | None:
    """What answered before what is wanted now, and is still known."""
    if deployment.standby_id is not None:
        return deployment.standby
    rows = deployment.served.exclude(revision=None).exclude(revision=deployment.revision_id)
    if deployment.candidate_id is not None:
        rows = rows.exclude(revision=deployment.candidate_id)
    row = rows.select_related("revision").first()
    return row.revision if row else None


@transaction.atomic
def forget_disagreements(deployment: Deployment, *, by: User) -> None:
    """Count from 0 again, with an empty table."""
    require(Role.CONTRIBUTOR, deployment.workspace, by)
    Disagreement.objects.filter(deployment=deployment).delete()
    MirrorCount.objects.filter(deployment=deployment).delete()
    record("deployment.forget_disagreements", by=by, workspace=deployment.workspace, subject=deployment)


def _taken_from_standby(deployment: Deployment, wish: Revision) -> dict[str, Any]:
    """What stands by is there already: where it is what is wished for, its processes become the second version's."""
    standby = deployment.standby
    if standby is None or made_of(standby) != made_of(wish) or not _ready(deployment, standby):
        return {}
    return {"candidate": standby, **NO_STANDBY}


NO_CANDIDATE: dict[str, Any] = {"candidate": None, "candidate_percent": 0, "mirror_percent": 0}


def _ready(deployment: Deployment, revision: Revision) -> int:
    return deployment.replicas.filter(revision=revision, state=ReplicaState.READY).count()


def _switch(deployment: Deployment, revision: Revision, said: str, *, by: User, **fields: Any) -> None:
    """The replicas of the revision run: requests go there from now on. What answered stands by."""
    old = deployment.live_revision
    fields |= {"revision": revision, "live_revision": revision, "failure": "", **standby_fields(old)}
    _note(deployment, said, by=by, **fields)
    Revision.objects.unused(deployment.workspace).delete()


def _note(deployment: Deployment, said: str, *, by: User, **fields: Any) -> None:
    journal.note(deployment, said, by=by, **fields)
    note_served(deployment, said, by=by)
    record("deployment.traffic", by=by, workspace=deployment.workspace, subject=deployment, said=said)


def _copies(mirror: int) -> str:
    return f" and a copy of {mirror} % of the others" if mirror else ""
