"""How many replicas a service has: a number, or a least and a most that its load chooses between."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from mlportal.errors import BadInput

MOST_UTILIZATION = 10_000
MOST_REFRESH = 3600
LIMITS = {
    "min_replicas": ("min_replicas", None),
    "max_replicas": ("max_replicas", None),
    "autoscale_target_utilization": ("target_utilization", MOST_UTILIZATION),
    "autoscale_refresh_seconds": ("refresh_seconds", MOST_REFRESH),
}


def scaling_fields(wish: Mapping[str, int], *, least: int = 1, most: int = 1) -> dict[str, int]:
    """The fields of a Deployment that this wish changes, of a service that has from `least` to `most` replicas.

    `wish` has `replicas` (a fixed number), or the names of LIMITS. BadInput names the field and its limit.
    """
    wish = dict(wish)
    fixed = wish.pop("replicas", None)
    if fixed is not None:
        if wish.keys() & {"min_replicas", "max_replicas"}:
            raise BadInput("Give either replicas or min_replicas and max_replicas.", field="replicas")
        _check("replicas", fixed, None)
        wish |= {"min_replicas": fixed, "max_replicas": fixed}
    for name, value in wish.items():
        _check(name, value, LIMITS[name][1])
    low, high = wish.get("min_replicas", least), wish.get("max_replicas", most)
    if low > high:
        raise BadInput(
            f"At least {low} replicas and at most {high} cannot be: max_replicas may not be less than min_replicas.",
            field="min_replicas" if "min_replicas" in wish else "max_replicas",
        )
    return {LIMITS[name][0]: value for name, value in wish.items()}


def _check(name: str, value: int, most: int | None) -> None:
    limit = settings.SERVICE_REPLICAS if most is None else most
    if not 1 <= value <= limit:
        said = f"{name} is from 1 to {limit}" + (" (MLPORTAL_SERVICE_REPLICAS)." if most is None else ".")
        raise BadInput(said, field=name, limit=limit)


def said_of(low: int, high: int) -> str:
    """`3 replicas`, or `1 to 3 replicas by load`."""
    if low < high:
        return f"{low} to {high} replicas by load"
    return f"{low} replica{'s'[: low != 1]}"
