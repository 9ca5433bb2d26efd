"""The lines that two texts do not share, as `diff -u` tells them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Final

CONTEXT: Final = 3
Line = tuple[str, str]  # "-", "+" or " ", and the line; "@", and which lines follow


def line_changes(before: Sequence[str], after: Sequence[str], *, most: int) -> list[Line] | None:
    """The shortest way from one to the other: each line is kept (" "), left out ("-") or put in ("+").

    None when more than `most` lines change. Myers' greedy algorithm (1986, "An O(ND) difference algorithm and its
    variations"), because its work is bounded by `most`: difflib's grows with the square of what somebody uploads.
    """
    start = _shared(before, after)
    end = _shared(before[start:][::-1], after[start:][::-1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    middle = _changes(old, new, most)
    if middle is None:
        return None
    return [*_kept(before[:start]), *middle, *_kept(before[len(before) - end :])]


def unified(changes: Sequence[Line], *, context: int = CONTEXT) -> Iterator[Line]:
    """The changes with `context` lines around them; where lines are left out there is an "@" line before."""
    near = _near(changes, context)
    old = new = 1
    before_is_shown = False
    for at, (mark, text) in enumerate(changes):
        if near[at]:
            if not before_is_shown:
                yield "@", _place(changes, near, at, old, new)
            yield mark, text
        before_is_shown = near[at]
        old, new = old + (mark != "+"), new + (mark != "-")


def _shared(before: Sequence[str], after: Sequence[str]) -> int:
    for at, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return at
    return min(len(before), len(after))


def _kept(lines: Sequence[str]) -> list[Line]:
    return [(" ", line) for line in lines]


def _changes(old: Sequence[str], new: Sequence[str], most: int) -> list[Line] | None:
    if not old or not new:
        return _replaced(old, new) if len(old) + len(new) <= most else None
    middle = min(most, len(old) + len(new)) + 1
    reach = array("i", [0]) * (2 * middle + 1)  # at middle + x - y: the furthest x on this diagonal
    trail: list[array[int]] = []
    for changed in range(middle):
        trail.append(reach[middle - changed - 1 : middle + changed + 2])
        for at in range(middle - changed, middle + changed + 1, 2):
            x = reach[at + 1] if _is_put_in(reach, at, middle, changed) else reach[at - 1] + 1
            y = x - at + middle
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            reach[at] = x
            if x >= len(old) and y >= len(new):
                return _walked_back(old, new, trail)
    return None


def _is_put_in(reach: array[int], at: int, middle: int, changed: int) -> bool:
    """Whether the way to this diagonal is a line of the new text, not one of the old that is left out."""
    return at == middle - changed or (at != middle + changed and reach[at - 1] < reach[at + 1])


def _replaced(old: Sequence[str], new: Sequence[str]) -> list[Line]:
    return [*(("-", line) for line in old), *(("+", line) for line in new)]


def _walked_back(old: Sequence[str], new: Sequence[str], trail: list[array[int]]) -> list[Line]:
    found: list[Line] = []
    x, y = len(old), len(new)
    for changed in range(len(trail) - 1, -1, -1):
        reach, middle = trail[changed], changed + 1
        at = middle + x - y
        put_in = _is_put_in(reach, at, middle, changed)
        from_at = at + 1 if put_in else at - 1
        from_x = reach[from_at]
        from_y = from_x - from_at + middle
        while x > max(from_x, 0) and y > max(from_y, 0):
            x, y = x - 1, y - 1
            found.append((" ", old[x]))
        if changed:
            found.append(("+", new[from_y]) if put_in else ("-", old[from_x]))
        x, y = from_x, from_y
    return found[::-1]


def _near(changes: Sequence[Line], context: int) -> list[bool]:
    near = [False] * len(changes)
    shown = 0  # up to here it is settled
    for at, (mark, _) in enumerate(changes):
        if mark != " ":
            for other in range(max(shown, at - context), min(len(changes), at + context + 1)):
                near[other] = True
            shown = min(len(changes), at + 1)
    return near


def _place(changes: Sequence[Line], near: Sequence[bool], at: int, old: int, new: int) -> str:
    gone = come = 0
    while at < len(changes) and near[at]:
        gone, come = gone + (changes[at][0] != "+"), come + (changes[at][0] != "-")
        at += 1
    # A side without lines is told by the line before it, as diff does.
    return f"@@ -{old if gone else old - 1},{gone} +{new if come else new - 1},{come} @@"
