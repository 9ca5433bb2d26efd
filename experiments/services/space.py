"""How many bytes things take in the storage. Blobs are shared, so what would be freed is what nothing else refers to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from experiments.models import (
    Artifact,
    DataFile,
    DatasetFile,
    EnvironmentBuild,
    LoggedModelFile,
    Run,
    Snapshot,
    UploadedBlob,
)
from experiments.models.snapshots import SnapshotBlob
from experiments.querysets import RunQuerySet
from experiments.services import snapshots
from mlportal.access.models import Workspace
from mlportal.blobs.models import Blob

# What a workspace stores, and the rows that refer to it. Other apps add theirs: this one knows none of them.
KINDS: dict[str, tuple[Callable[[Workspace], QuerySet[Any]], ...]] = {
    "runs": (
        lambda workspace: Artifact.objects.filter(run__workspace=workspace),
        lambda workspace: LoggedModelFile.objects.filter(model__workspace=workspace),
    ),
    "snapshots": (lambda workspace: SnapshotBlob.objects.filter(snapshot__workspace=workspace),),
    "data": (
        lambda workspace: DataFile.objects.filter(workspace=workspace),
        lambda workspace: DatasetFile.objects.filter(dataset_version__workspace=workspace),
    ),
}
# The files of runs, and how each leads to its run.
FILES: tuple[tuple[type[Artifact | LoggedModelFile], str], ...] = ((Artifact, "run"), (LoggedModelFile, "model__run"))


@dataclass(frozen=True)
class Usage:
    """Bytes. What several refer to is counted once in `total`, and in each of the others."""

    runs: int
    snapshots: int
    models: int
    data: int
    environments: int
    trash: int
    total: int


def usage(workspace: Workspace) -> Usage:
    by_kind = {kind: _referred(*(rows(workspace) for rows in kinds)) for kind, kinds in KINDS.items()}
    everything = _referred(*(rows(workspace) for kinds in KINDS.values() for rows in kinds))
    environments = environment_bytes(workspace)
    return Usage(
        runs=by_kind["runs"],
        snapshots=by_kind["snapshots"],
        models=by_kind.get("models", 0),
        data=by_kind["data"],
        environments=environments,
        trash=freed_bytes(Run.objects.trashed().in_workspace(workspace)),
        total=everything + environments,
    )


def environment_bytes(workspace: Workspace) -> int:
    """On the machines that have built them; another workspace may use the same ones."""
    built = EnvironmentBuild.objects.filter(version__environment__workspace=workspace, size_bytes__isnull=False)
    each = built.order_by().values("version__lock_key", "node").annotate(size=Max("size_bytes"))
    return sum(row["size"] for row in each)


def freed_bytes(runs: RunQuerySet) -> int:
    """What would go if all of these runs were deleted for good. Bytes that a client sent today wait for a day, and count."""
    return int(only_of(runs).aggregate(size=Sum("size", default=0))["size"])


def only_of(runs: RunQuerySet) -> QuerySet[Blob]:
    """The blobs that these runs, and the code that they alone have, refer to, and nothing else."""
    these = runs.order_by().values("pk")
    code = left_alone(Snapshot.objects.filter(pk__in=runs.order_by().values("snapshot")), runs).values("pk")
    referred = Q(Exists(SnapshotBlob.objects.filter(blob=OuterRef("pk"), snapshot__in=code)))
    for model, run in FILES:
        referred |= Q(Exists(model._base_manager.filter(blob=OuterRef("pk"), **{f"{run}__in": these})))
    found = Blob.objects.filter(referred)
    for model, run in FILES:
        held = model._base_manager.filter(blob=OuterRef("pk"))
        # A file without a run is another's, which NOT IN does not tell.
        others = held.filter(Q(**{f"{run}__isnull": True}) | ~Q(**{f"{run}__in": these}))
        found = found.exclude(Exists(others))
    found = found.exclude(Exists(SnapshotBlob.objects.filter(blob=OuterRef("pk")).exclude(snapshot__in=code)))
    return found.unreferenced(besides=(Artifact, LoggedModelFile, SnapshotBlob, UploadedBlob))


def left_alone(code: QuerySet[Snapshot], runs: RunQuerySet) -> QuerySet[Snapshot]:
    """Of the snapshots those that only these runs refer to."""
    others = Run.objects.filter(snapshot=OuterRef("pk")).exclude(pk__in=runs.order_by().values("pk"))
    alone = code.exclude(Exists(others))
    for users in snapshots.USERS:
        alone = alone.exclude(pk__in=users().exclude(snapshot=None).values("snapshot"))
    return alone


def freed_by_each(trees: Mapping[int, Iterable[int]]) -> dict[int, int]:
    """{key: bytes} of files that nothing outside of the runs of this key refers to. Code is not counted."""
    owner = {pk: key for key, pks in trees.items() for pk in pks}
    uses: dict[tuple[int, str], list[int]] = {}
    held = Blob.objects.filter(pk=OuterRef("blob")).unreferenced(besides=(*(model for model, _ in FILES), UploadedBlob))
    everywhere: Any = Value(0)
    for model, _ in FILES:
        counted = model._base_manager.filter(blob=OuterRef("blob")).order_by().values("blob").annotate(all=Count("pk"))
        everywhere = everywhere + Coalesce(Subquery(counted.values("all")), 0)
    pks = sorted(owner)
    for start in range(0, len(pks), 1000):
        for model, run in FILES:
            rows = model._base_manager.filter(Exists(held), **{f"{run}__in": pks[start : start + 1000]}).order_by()
            found = rows.annotate(everywhere=everywhere).values_list(run, "blob", "size", "everywhere")
            for pk, blob, size, count in found:
                here = uses.setdefault((owner[pk], blob), [0, count, size])
                here[0] += 1
    freed = dict.fromkeys(trees, 0)
    for (key, _), (inside, count, size) in uses.items():
        if inside == count:
            freed[key] += size
    return freed


def _referred(*holders: QuerySet[Any]) -> int:
    """Bytes of the blobs that one of these rows refers to, each blob once."""
    digests = Blob.objects.none().values_list("pk")
    for rows in holders:
        digests = digests.union(rows.order_by().values_list("blob"))
    found: int = Blob.objects.filter(pk__in=digests).aggregate(size=Sum("size", default=0))["size"]
    return found
