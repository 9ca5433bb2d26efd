"""A search's tree as a condition on runs."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.lookups import In

from experiments.models import LoggedDataset, Metric, Parameter, Run, Tag
from experiments.models.expressions import Beginning, EachExists, Unindexed
from experiments.status import RunStatus

from .attributes import MLFLOW_STATUS, MOMENTS, NAME_TAG, NUMBERS, PARENT_TAG, RELATED, TEXTS, attribute_named
from .best import column_of
from .compare import matches, moment_matches, number_matches, text_matches
from .grammar import And, Comparison, Condition, Not
from .tokens import BadSearch
from .tree import as_q

KINDS: Final = ("attribute", "dataset", "metric", "param", "tag")
MODELS: Final[dict[str, type[Parameter | Tag]]] = {"param": Parameter, "tag": Tag}
_DATASETS: Final = ("context", "digest", "name")


class Conditions:
    """`few`: whether they are asked of few runs. Those are looked at one by one; of many, the ones that have a value are
    gathered by the index of the values first. None: as the database finds best, which for SQLite is one by one."""

    def __init__(self, *, few: bool | None = None) -> None:
        self._few = few

    def __call__(self, condition: Condition) -> Q:
        """Raises BadSearch."""
        return as_q(condition, self._comparison)

    def _comparison(self, comparison: Comparison) -> Q:
        kind = comparison.field.kind
        if kind == "attribute":
            return _attribute(comparison)
        if kind == "metric":
            return self._among(_metrics_with(comparison))
        if kind == "dataset":
            return self._dataset(comparison)
        return self._tag(comparison) if kind == "tag" else self._named(Parameter, comparison)

    def _among(self, rows: QuerySet[Any]) -> Q:
        rows = rows.order_by()
        if self._few is not False:
            here = rows.filter(run=OuterRef("pk"))
            return Q(EachExists(here) if self._few else Exists(here))
        # Not by the key: of many, each row would be read to see whose it is, and the index of tables tells it, too.
        return Q(In(Unindexed(F("pk")), rows.values("run")))

    def _tag(self, comparison: Comparison) -> Q:
        if comparison.field.key == NAME_TAG:
            return _null(comparison, Q(name="")) or text_matches(F("name"), comparison)
        if comparison.field.key == PARENT_TAG:
            tagged = self._named(Tag, comparison)
            if comparison.sign == "IS NULL":
                return Q(parent=None) & tagged
            parent = Q(parent__isnull=False) if comparison.value is None else text_matches(F("parent__uid"), comparison)
            return parent | tagged  # a parent elsewhere is a tag and no more
        return self._named(Tag, comparison)

    def _named(self, model: type[Parameter | Tag], comparison: Comparison) -> Q:
        if comparison.value is None:
            there = self._among(model.objects.filter(name=comparison.field.key))
            return ~there if comparison.sign == "IS NULL" else there
        return self._among(_named_with(model, comparison))

    def _dataset(self, comparison: Comparison) -> Q:
        key = comparison.field.key
        if key not in _DATASETS:
            raise BadSearch(f"Invalid dataset key {key!r} specified. Valid keys are {list(_DATASETS)}")
        return self._among(LoggedDataset.objects.filter(text_matches(F(key), comparison)))


def is_rare(condition: Condition, most: int) -> bool:
    """Whether those that match are gathered sooner than met one after the other: no more than `most` runs of all workspaces
    can match, as a look at an index of values shows."""
    if isinstance(condition, And):
        return any(is_rare(part, most) for part in condition.parts)
    if not isinstance(condition, Comparison):
        return False
    if condition.field.kind in MODELS and condition.sign in ("LIKE", "ILIKE", "!="):
        return True  # nothing tells how many; to go through all values once is never much
    rows = _rows_with(condition)
    return rows is not None and rows.values("pk")[: most + 1].count() <= most


def asks_values(condition: Condition | None) -> bool:
    """Whether more has to be read for a run than the run."""
    if isinstance(condition, Comparison):
        return not _is_of_run(condition) or condition.field.kind == "dataset"
    if isinstance(condition, Not):
        return asks_values(condition.part)
    return condition is not None and any(asks_values(part) for part in condition.parts)


def required(condition: Condition | None) -> list[Comparison]:
    """Those that every run has to meet by having a value."""
    if isinstance(condition, And):
        return [comparison for part in condition.parts for comparison in required(part)]
    if isinstance(condition, Comparison) and condition.value is not None and not _is_of_run(condition):
        return [condition]
    return []


def having(rows: QuerySet[Any], comparison: Comparison) -> QuerySet[Any]:
    """Of these rows of the field that is compared, those that meet it."""
    return _numbers(rows, comparison) if comparison.field.kind == "metric" else _texts(rows, comparison)


def _is_of_run(comparison: Comparison) -> bool:
    """Whether it is asked of the run itself, or of its datasets."""
    kind, key = comparison.field.kind, comparison.field.key
    return kind not in ("metric", *MODELS) or (kind == "tag" and key in (NAME_TAG, PARENT_TAG))


def _rows_with(comparison: Comparison) -> QuerySet[Any] | None:
    """The values that meet it; None for what is not met by having one, and for what no index tells."""
    field = comparison.field
    if field.kind == "metric":
        return _metrics_with(comparison)
    if not _is_of_run(comparison) and comparison.sign == "=":
        return _named_with(MODELS[field.kind], comparison)
    return None


def _metrics_with(comparison: Comparison) -> QuerySet[Any]:
    return _numbers(Metric.objects.order_by().filter(name=comparison.field.key), comparison)


def _numbers(rows: QuerySet[Any], comparison: Comparison) -> QuerySet[Any]:
    matching = number_matches(F(column_of(comparison.field)), comparison)
    if comparison.sign == "!=" and comparison.field.stat == "last":
        matching |= Q(last_is_nan=True)
    return rows.filter(matching)


def _named_with(model: type[Parameter | Tag], comparison: Comparison) -> QuerySet[Any]:
    return _texts(model.objects.order_by().filter(name=comparison.field.key), comparison)


def _texts(rows: QuerySet[Any], comparison: Comparison) -> QuerySet[Any]:
    if comparison.sign in ("IN", "NOT IN"):
        raise BadSearch("Only ['run_id'] attributes support comparison with a list of quoted string values.")
    found = text_matches(F("value"), comparison)
    if comparison.sign != "=":
        return rows.filter(found)
    text = str(comparison.value)
    rest = Q() if len(text) < Beginning.CHARACTERS else found
    matching: QuerySet[Any] = rows.alias(beginning=Beginning("value")).filter(rest, beginning=Beginning.cut(text))
    return matching


def _attribute(comparison: Comparison) -> Q:
    key = attribute_named(comparison.field.key)
    if key == "status":
        return Q(status__in=[status for status in RunStatus if _is_status(status, comparison)])
    if key in TEXTS:
        if comparison.sign in ("IN", "NOT IN") and key != "run_id":
            raise BadSearch("Only ['run_id'] attributes support comparison with a list of quoted string values.")
        if path := RELATED.get(key):
            return _related(*path, comparison)
        return text_matches(TEXTS[key], comparison)
    if key in MOMENTS:
        return moment_matches(MOMENTS[key], comparison)
    return number_matches(NUMBERS[key], comparison)


def _related(name: str, path: str, comparison: Comparison) -> Q:
    """By the rows that the run leads to, which are few: without a look at any row of a run."""
    related: Any = Run._meta.get_field(name).related_model
    rows = related.objects.order_by().filter(text_matches(F(path), comparison)).values("pk")
    if name == "created_by":  # by its index all runs of a person would be read; the index of tables tells it, too
        return Q(In(Unindexed(F("created_by_id")), rows))
    return Q(**{f"{name}__in": rows})


def _is_status(status: RunStatus, comparison: Comparison) -> bool:
    """By MLflow's name or by the portal's own; what is not to be, is it by neither."""
    said = [matches(name, comparison) for name in (MLFLOW_STATUS[status], status.value)]
    return all(said) if comparison.sign in ("!=", "NOT IN") else any(said)


def _null(comparison: Comparison, missing: Q) -> Q | None:
    if comparison.sign == "IS NULL":
        return missing
    return ~missing if comparison.sign == "IS NOT NULL" else None
