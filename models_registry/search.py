"""Models and versions that a search finds, in MLflow's language: by name, tags and what else it knows of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.db.models import F, Q, QuerySet

from experiments.search import BadSearch
from experiments.search.compare import moment_matches, number_matches, text_matches
from experiments.search.grammar import Comparison, parse_filter, parse_order
from experiments.search.pairs import PairValue, pair_matches
from experiments.search.tree import as_q
from models_registry.models import ModelVersion, RegisteredModel

KINDS: Final = ("attribute", "tag")
IS_PROMPT: Final = "mlflow.prompt.is_prompt"
MODEL_TEXTS: Final = {"name": F("name")}
MODEL_MOMENTS: Final = {
    "creation_timestamp": F("created_at"),
    "last_updated_timestamp": F("updated_at"),
    "timestamp": F("updated_at"),
}
VERSION_TEXTS: Final = {"name": F("model__name"), "run_id": F("run__uid"), "source_path": F("source")}
VERSION_MOMENTS: Final = {"creation_timestamp": F("created_at"), "last_updated_timestamp": F("updated_at")}
VERSION_NUMBERS: Final = {"version_number": F("version")}


def search_models(
    models: QuerySet[RegisteredModel], filter_text: str, order_texts: Sequence[str] = ()
) -> QuerySet[RegisteredModel]:
    """Those that match; after what is asked for by name. Raises BadSearch."""
    fields = {**MODEL_TEXTS, **MODEL_MOMENTS}
    found = _filtered(models, filter_text, MODEL_TEXTS, MODEL_MOMENTS, {}, RegisteredModel)
    return found.order_by(*_orders(order_texts, fields), "name")


def search_versions(
    versions: QuerySet[ModelVersion], filter_text: str, order_texts: Sequence[str] = ()
) -> QuerySet[ModelVersion]:
    """Those that match; after what is asked for the last changed first. Raises BadSearch."""
    fields = {**VERSION_TEXTS, **VERSION_MOMENTS, **VERSION_NUMBERS}
    found = _filtered(versions, filter_text, VERSION_TEXTS, VERSION_MOMENTS, VERSION_NUMBERS, ModelVersion)
    return found.order_by(*_orders(order_texts, fields), "-updated_at", "model__name", "-version")


def _filtered(
    rows: QuerySet[Any],
    filter_text: str,
    texts: Mapping[str, F],
    moments: Mapping[str, F],
    numbers: Mapping[str, F],
    model: type[RegisteredModel] | type[ModelVersion],
) -> QuerySet[Any]:
    condition = parse_filter(filter_text, KINDS)
    if condition is None:
        return rows

    def attribute(comparison: Comparison) -> Q:
        key = comparison.field.key
        if key in texts:
            return text_matches(texts[key], comparison)
        if key in moments:
            return moment_matches(moments[key], comparison)
        if key in numbers:
            return number_matches(numbers[key], comparison)
        known = sorted([*texts, *moments, *numbers])
        raise BadSearch(f"Invalid attribute key {key!r} specified. Valid keys are {known}")

    def tag(comparison: Comparison) -> Q:
        matches = pair_matches(model, "tags", comparison)
        if comparison.field.key == IS_PROMPT and comparison.sign == "!=":
            # Clients leave prompts out of every search for models so, and no model has this tag.
            matches |= Q(
                pk__in=model._base_manager.alias(pair=PairValue("tags", IS_PROMPT))
                .filter(pair__isnull=True)
                .values("pk")
            )
        return matches

    by_kind: dict[str, Callable[[Comparison], Q]] = {"attribute": attribute, "tag": tag}
    return rows.filter(as_q(condition, lambda comparison: by_kind[comparison.field.kind](comparison)))


def _orders(texts: Sequence[str], known: Mapping[str, F]) -> list[Any]:
    keys: list[Any] = []
    seen: set[str] = set()
    for text in texts:
        order = parse_order(text, KINDS)
        if order.field.kind != "attribute" or order.field.key not in known:
            raise BadSearch(f"Invalid order by key {order.field.key!r} specified. Valid keys are {sorted(known)}")
        if order.field.key in seen:
            raise BadSearch(f"`order_by` contains duplicate fields: {order.field.key!r}")
        seen.add(order.field.key)
        value = known[order.field.key]
        keys.append(value.desc(nulls_last=True) if order.descending else value.asc(nulls_last=True))
    return keys
