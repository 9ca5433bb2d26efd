"""Two samples of a column, compared: the population stability index, and a test of whether they differ at all.

PSI = Σ (p - q) · ln(p / q), which is the sum of both relative entropies (https://en.wikipedia.org/wiki/Population_stability_index).
Numbers are cut at the deciles of the reference, values of few kinds are counted; what is missing is a kind of its own.
The test is Kolmogorov and Smirnov's for numbers, χ² for the others; with many columns its p-values are corrected by
Benjamini and Hochberg's method. A column has moved when both say so: PSI alone finds differences in small samples that
are none, a test alone finds in large ones what nobody has to know.

scipy is imported when something is compared, which the workers do; a web process never has it in memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DECILES = 10
BARS = 20
FEW_VALUES = 20  # numbers of at most so many different values are counted like names
MOST_KINDS = 30  # others are one
OTHERS, MISSING = "(others)", "(missing)"
HUGE = 1e300  # the width between two numbers is a number, too
HALF = 0.5  # is added to each count, so that nothing is divided by zero


@dataclass(frozen=True)
class Rules:
    """From when on a column is told to have moved; see `Watch`."""

    psi_warning: float
    psi_alarm: float
    significance: float


def compare(reference: Mapping[str, Any], current: Mapping[str, Any], rules: Rules) -> list[dict[str, Any]]:
    """[{name, kind, psi, test, statistic, p, flag, labels, reference, current}] of the columns that both have.

    Cells are numbers, texts, booleans, and None (or NaN) where one is missing. `labels` name the bars of the histograms,
    or say where they begin and end; `reference` and `current` are the shares of the bars. `flag` is empty, warning or alarm.
    """
    from scipy.stats import false_discovery_control

    told = [_column(name, reference[name], current[name]) for name in current if name in reference]
    tested = [one for one in told if one["p"] is not None]
    if tested:
        corrected = false_discovery_control([one["p"] for one in tested], method="bh")
        for one, p in zip(tested, corrected, strict=True):
            one["p"] = float(p)
    for one in told:
        sure = one["p"] is not None and one["p"] < rules.significance
        size = "alarm" if one["psi"] >= rules.psi_alarm else "warning" if one["psi"] >= rules.psi_warning else ""
        one["flag"] = size if sure else ""
    return told


def _column(name: str, reference: Sequence[Any], current: Sequence[Any]) -> dict[str, Any]:
    before, now = [list(map(_plain, cells)) for cells in (reference, current)]
    present = [value for value in before if value is not None]
    numbers = all(isinstance(value, float) for value in (*present, *(value for value in now if value is not None)))
    if numbers and len(set(present)) > FEW_VALUES:
        return {"name": name, "kind": "number", **_numbers(before, now)}
    return {"name": name, "kind": "values", **_values(before, now)}


def _plain(value: Any) -> float | str | None:
    """Of a cell: a number, a text, or None. What is true or false is a text."""
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (int, float, np.integer, np.floating)):
        number = float(value)
        return None if math.isnan(number) else number
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    return str(value)


def _numbers(before: Sequence[Any], now: Sequence[Any]) -> dict[str, Any]:
    from scipy.stats import ks_2samp

    arrays = [np.array([value for value in cells if value is not None], dtype=np.float64) for cells in (before, now)]
    old, new = [np.clip(cells, -HUGE, HUGE) for cells in arrays]
    cuts = np.unique(np.quantile(old, np.linspace(0, 1, DECILES + 1)[1:-1]))
    counts = []
    pairs = ((before, old), (now, new))
    for all_of_it, cells in pairs:
        inside = np.bincount(np.searchsorted(cuts, cells, side="left"), minlength=len(cuts) + 1)
        counts.append([*inside.tolist(), len(all_of_it) - len(cells)])
    test = ks_2samp(old, new, method="asymp") if len(new) else None
    edges = _edges(old, new)
    shares = [
        _shares(np.histogram(np.clip(cells, edges[0], edges[-1]), bins=edges)[0].tolist()) for cells in (old, new)
    ]
    return {
        "psi": _psi(*_without_empty(*counts)),
        "test": "ks",
        "statistic": float(test.statistic) if test else None,
        "p": _also_missing(
            _p(test.pvalue) if test else None, *([len(all_) - len(some), len(some)] for all_, some in pairs)
        ),
        "labels": [float(edge) for edge in edges],
        "reference": shares[0],
        "current": shares[1],
    }


def _also_missing(p: float | None, old: list[int], new: list[int]) -> float | None:
    """The test of numbers does not see how many are missing: the smaller p-value of both tests, for two of them."""
    from scipy.stats import chi2_contingency

    if not old[0] + new[0] or not old[1] + new[1] or not sum(new):
        return p
    missing = float(chi2_contingency([old, new]).pvalue)
    return min(1.0, 2 * min(missing, 1.0 if p is None else p))


def _edges(old: Any, new: Any) -> Any:
    """Of the bars that are drawn: where nearly all of both is, so that one wild value does not hide the others."""
    ends = [np.quantile(cells, (0.005, 0.995)) for cells in (old, new) if len(cells)]
    low, high = min(float(end[0]) for end in ends), max(float(end[1]) for end in ends)
    if not low < high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BARS + 1)


def _values(before: Sequence[Any], now: Sequence[Any]) -> dict[str, Any]:
    from scipy.stats import chi2_contingency

    old, new = [Counter(MISSING if value is None else _name(value) for value in cells) for cells in (before, now)]
    kinds = [kind for kind, _ in (old + new).most_common(MOST_KINDS)]
    kinds.sort(key=_order)
    counts = [[some[kind] for kind in kinds] for some in (old, new)]
    if len(old | new) > len(kinds):
        kinds.append(OTHERS)
        counts = [[*row, some.total() - sum(row)] for row, some in zip(counts, (old, new), strict=True)]
    test = chi2_contingency(counts) if len(kinds) > 1 and all(map(sum, counts)) else None
    return {
        "psi": _psi(*counts),
        "test": "chi2",
        "statistic": float(test.statistic) if test else None,
        "p": _p(test.pvalue) if test else 1.0 if len(kinds) == 1 else None,
        "labels": kinds,
        "reference": _shares(counts[0]),
        "current": _shares(counts[1]),
    }


def _name(value: float | str) -> str:
    return f"{value:.12g}" if isinstance(value, float) else value[:100]


def _order(kind: str) -> tuple[bool, float, str]:
    try:
        return False, float(kind), kind
    except ValueError:
        return True, 0.0, kind


def _without_empty(old: list[int], new: list[int]) -> tuple[list[int], list[int]]:
    both = [(a, b) for a, b in zip(old, new, strict=True) if a or b]
    return [a for a, _ in both], [b for _, b in both]


def _psi(old: Sequence[int], new: Sequence[int]) -> float:
    """The relative entropies from each to the other; scipy's `entropy` brings the counts to a sum of one."""
    from scipy.stats import entropy

    p, q = [np.asarray(counts, dtype=np.float64) + HALF for counts in (old, new)]
    return float(entropy(p, q) + entropy(q, p))


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [round(count / total, 5) if total else 0.0 for count in counts]


def _p(value: Any) -> float | None:
    p = float(value)
    return None if math.isnan(p) else p
