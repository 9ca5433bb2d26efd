"""The runs of a table: those that match, counted and read page by page, fast however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import In

from experiments.models import Metric, Parameter, Run, Tag
from experiments.models.expressions import Beginning, InGathered, Unindexed
from experiments.status import RunStatus
from mlportal.statements import Among

from .attributes import ATTRIBUTES, INDEXED, attribute_named, value_of
from .best import column_of
from .conditions import KINDS, MODELS, Conditions, asks_values, having, is_rare, required
from .grammar import Condition, Field, Order, parse_filter, parse_order
from .planned import KNOWS_BETTER, planned
from .tokens import BadSearch
from .walking import first_of
from .words import is_search, with_words

FEW: Final = 5000  # runs that are looked at one by one
RARE: Final = 6 * FEW  # values that are gathered sooner than looked for in one run after the other
_ORDERED_BY: Final = ("attribute", "metric", "param", "tag")


@dataclass(frozen=True)
class Wanted:
    """What is asked of a table of runs. `text` is plain words or a search, `orders` are keys such as "metrics.loss DESC"."""

    text: str = ""
    status: str = ""
    orders: tuple[str, ...] = ()
    is_search: bool | None = None
    """None: by the look of the text."""
    group: tuple[Field, str | None] | None = field(default=None)
    """Only those of a group: the field has this value, None for none."""

    @cached_property
    def condition(self) -> Condition | None:
        """The search's tree; None for plain words. Raises BadSearch."""
        asked = is_search(self.text) if self.is_search is None else self.is_search
        return parse_filter(self.text, KINDS) if asked else None

    @cached_property
    def keys(self) -> tuple[Order, ...]:
        """Raises BadSearch."""
        found = tuple(ordered_by(text) for text in self.orders)
        if len({order.field for order in found}) != len(found):
            raise BadSearch("An order names each field once.")
        return found

    @property
    def is_narrow(self) -> bool:
        return bool(self.text or self.status in RunStatus.values)

    def check(self) -> None:
        """Raises BadSearch for whatever is wrong with it."""
        if self.condition:
            Conditions()(self.condition)
        _ = self.keys


def ordered_by(text: str) -> Order:
    """One key of an order; names of attributes are the one they go by. Raises BadSearch."""
    order = parse_order(text, _ORDERED_BY)
    return Order(plain(order.field), order.descending)


def plain(field: Field) -> Field:
    """The same field by the one name of an attribute that has several. Raises BadSearch."""
    return Field("attribute", attribute_named(field.key, ATTRIBUTES)) if field.kind == "attribute" else field


class Found:
    """Of the runs of `scope` those that are wanted. Raises BadSearch when it is asked for the first time."""

    def __init__(self, scope: QuerySet[Run], wanted: Wanted) -> None:
        self._scope = scope
        self._wanted = wanted

    def _runs(self, *, few: bool) -> QuerySet[Run]:
        """`few`: how conditions are to be looked up, see `Conditions`."""
        runs, wanted = self._scope.order_by(), self._wanted
        if wanted.status in RunStatus.values:
            runs = runs.filter(status=wanted.status)
        if wanted.condition:
            runs = runs.filter(Conditions(few=few)(wanted.condition))
        elif wanted.text:
            runs = runs.filter(with_words(wanted.text, few=few))
        return runs.filter(of_group(*wanted.group)) if wanted.group else runs

    @property
    def runs(self) -> QuerySet[Run]:
        """All of them, in no order."""
        return self._runs(few=self._is_small)

    @cached_property
    @planned()
    def _is_small(self) -> bool:
        """Whether it is few runs among which they are looked for."""
        return not self._wanted.text or self._scope.order_by().values("pk")[: FEW + 1].count() <= FEW

    @cached_property
    @planned()
    def _is_common(self) -> bool:
        """Whether so many runs match, as far as can be seen at once, that the next ones that do are near anyway."""
        condition = self._wanted.condition
        if self._is_small or condition is None or KNOWS_BETTER:
            return self._is_small
        return not is_rare(condition, RARE)

    @cached_property
    @planned()
    def _first(self) -> list[int]:
        return list(self._runs(few=self._is_common).values_list("pk", flat=True)[: FEW + 1])

    @property
    def count(self) -> int:
        """How many there are, or FEW + 1 when they are more: no more than those are counted."""
        return len(self._first)

    @property
    def is_counted(self) -> bool:
        """Whether `count` is all of them."""
        return self.count <= FEW

    @property
    def counted_up_to(self) -> int:
        return FEW

    @planned()
    def exact_count(self) -> int:
        return self.count if self.is_counted else self.runs.count()

    @planned()
    def keys(self, start: int = 0, stop: int | None = None) -> list[int]:
        """Their primary keys in the order that is asked for, else the newest first. What has no value comes last."""
        orders = self._wanted.keys
        if self.is_counted:
            if not orders:
                return sorted(self._first, reverse=True)[start:stop]
            return list(_sorted(Run.objects.filter(Among("pk", self._first)), orders)[start:stop])
        if stop is not None and (near := self._near(orders, stop)) is not None:
            return near[start:]
        if not orders:
            return list(self._runs(few=self._is_common).order_by("-pk").values_list("pk", flat=True)[start:stop])
        if len(orders) == 1 and orders[0].field.kind != "attribute":
            return _of_segments(self._segments(orders[0]), start, stop)
        return list(_sorted(self.runs, orders)[start:stop])

    def _near(self, orders: Sequence[Order], stop: int) -> list[int] | None:
        """The first of them when they are near the beginning of their order, as they mostly are; else None."""
        few = self._runs(few=True)
        if not orders:
            return first_of(self._scope.order_by("-pk").values_list("pk", flat=True), few, stop)
        if len(orders) > 1:
            return None
        if orders[0].field.kind != "attribute":
            for part in self._parts(orders[0]):
                if part.exists():
                    return first_of(part.values_list("run_id", flat=True), few, stop)
            return self._near([], stop)
        if not asks_values(self._wanted.condition):
            return None  # what is asked of the runs alone is asked while they are sorted
        if KNOWS_BETTER and orders[0].field.key in INDEXED:
            return first_of(_by_index(self._scope, orders[0]), few, stop)
        return first_of(_sorted(self._scope, orders), few, stop) if self._is_common or KNOWS_BETTER else None

    def _parts(self, order: Order) -> list[QuerySet[Any]]:
        """The rows of values that an order goes by: those that have one, in the order of their index; and NaN."""
        rows, direction = self._rows(order.field), "-" if order.descending else ""
        parts = [rows.filter(by__isnull=False).order_by(f"{direction}by", f"{direction}run_id")]
        if order.field.kind == "metric" and order.field.stat == "last":
            parts.append(rows.filter(by=None, last_is_nan=True).order_by("-run_id"))
        return parts

    def _rows(self, field: Field) -> QuerySet[Any]:
        """The values of a field, `by` what they are ordered; what is asked of the same field is asked of them at once."""
        if field.kind == "metric":
            rows: QuerySet[Any] = Metric.objects.filter(name=field.key).alias(by=F(column_of(field)))
        else:
            rows = MODELS[field.kind].objects.filter(name=field.key).alias(by=Beginning("value"))
        for comparison in required(self._wanted.condition):
            if _is_same(comparison.field, field):
                rows = having(rows, comparison)
        return rows

    def _segments(self, order: Order) -> list[QuerySet[Any]]:
        """Those that have a value, in the order of the values' index; NaN; and those that have none."""
        # Without the index of runs: it would be read for each of them, and all be sorted for the first fifty.
        # What is asked of values is far from the beginning when this is reached; a look at a run alone is short.
        among = InGathered if asks_values(self._wanted.condition) else In
        here = Q(among(Unindexed(F("run_id")), self.runs.values("pk")))
        parts = self._parts(order)
        segments = [part.filter(here).values_list("run_id", flat=True) for part in parts if part.exists()]
        valued = Q(by__isnull=False)
        if len(parts) > 1:
            valued |= Q(last_is_nan=True)
        rows = self._rows(order.field).filter(valued).order_by()
        valued_here = Exists(rows.filter(run=OuterRef("pk"))) if KNOWS_BETTER else Q(pk__in=rows.values("run"))
        without = self.runs.exclude(valued_here) if segments else self.runs
        return [*segments, without.order_by("-pk").values_list("pk", flat=True)]


def _is_same(one: Field, other: Field) -> bool:
    """Whether they are the same column of the same rows: by another, its index would be chosen and not that of the order."""
    if (one.kind, one.key) != (other.kind, other.key):
        return False
    return one.kind != "metric" or column_of(one) == column_of(other)


def _by_index(runs: QuerySet[Run], order: Order) -> QuerySet[Run, int]:
    """Those that have a value of one of INDEXED, as the index has them: it begins with the experiment."""
    by = F("by").desc() if order.descending else F("by").asc()
    valued = runs.alias(by=value_of(order.field.key)).filter(by__isnull=False)
    return valued.order_by(by, "-pk").values_list("pk", flat=True)


def _sorted(runs: QuerySet[Run], orders: Sequence[Order]) -> QuerySet[Run, int]:
    """Every one of them is looked at."""
    by: list[Any] = []
    for place, order in enumerate(orders):
        name = f"order_{place}"
        runs = runs.alias(**{name: value_in_run(order.field)})
        by.append(F(name).desc(nulls_last=True) if order.descending else F(name).asc(nulls_last=True))
        if order.field.kind == "metric" and order.field.stat == "last":
            runs = runs.alias(**{f"{name}_nan": _of_run(Metric, order.field, "last_is_nan")})
            by.append(F(f"{name}_nan").desc(nulls_last=True))  # NaN, and after it nothing
    return runs.order_by(*by, "-pk").values_list("pk", flat=True)


def value_in_run(field: Field) -> Any:
    """The value of a field as an expression of a run: one, or null."""
    if field.kind == "attribute":
        return value_of(field.key)
    if field.kind == "metric":
        return _of_run(Metric, field, column_of(field))
    return _of_run(MODELS[field.kind], field, "value")


def of_group(field: Field, value: str | None) -> Q:
    """The runs for which a parameter, a tag or an attribute has this value, or none."""
    if field.kind == "attribute":
        path = GROUPED[field.key]
        return Q(**{path: value}) if value is not None else Q(**{f"{path}__isnull": True})
    rows = MODELS[field.kind].objects.filter(name=field.key).order_by()
    if value is None:
        return ~Q(pk__in=rows.filter(value__isnull=False).values("run"))
    return Q(pk__in=rows.filter(value=value).values("run"))


GROUPED: Final = {
    "status": "status",
    "user_id": "created_by__username",
    "environment": "environment_version",
    "experiment": "experiment__name",
    "script": "script",
    "target": "compute_target__name",
}


def _of_run(model: type[Metric | Parameter | Tag], field: Field, column: str) -> Subquery:
    return Subquery(model.objects.filter(run=OuterRef("pk"), name=field.key).order_by().values(column)[:1])


def _of_segments(segments: Sequence[QuerySet[Any]], start: int, stop: int | None) -> list[int]:
    """What stands from `start` to `stop` when the segments are put one behind the other."""
    found: list[int] = []
    for segment in segments:
        some = list(segment[start:stop])
        found += some
        if stop is not None and start + len(some) >= stop:
            break
        passed = start + len(some) if some or not start else segment.count()
        start, stop = max(0, start - passed), None if stop is None else stop - passed
    return found
