"""The difference of two texts, line by line: whatever they are, both can be read from it, and its work is bounded."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.snapshots import line_changes, unified
from experiments.snapshots.line_diff import Line

LINES = st.lists(st.sampled_from("abc"), max_size=30)


def sides(changes: list[Line]) -> tuple[list[str], list[str]]:
    return [text for mark, text in changes if mark in " -"], [text for mark, text in changes if mark in " +"]


@given(LINES, LINES)
def test_both_texts_are_in_the_changes_and_no_shorter_way_leads_over(before: list[str], after: list[str]) -> None:
    changes = line_changes(before, after, most=60)
    assert changes is not None
    assert sides(changes) == (before, after)
    changed = sum(mark != " " for mark, _ in changes)
    found = sum(line[0] in "+-" for line in difflib.ndiff(before, after))
    assert changed <= found
    if changed:
        assert line_changes(before, after, most=changed - 1) is None


def test_it_reads_like_diff() -> None:
    before = [f"line {number}" for number in range(1, 31)]
    after = [*before[:4], "new", *before[4:19], *before[20:]]
    changes = line_changes(before, after, most=10)
    assert changes is not None
    shown = list(difflib.unified_diff(before, after, lineterm=""))[2:]
    assert [text if mark == "@" else mark + text for mark, text in unified(changes)] == shown


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [([], ["a", "b"], "@@ -0,0 +1,2 @@"), (["a", "b"], [], "@@ -1,2 +0,0 @@"), (["a"], ["b"], "@@ -1,1 +1,1 @@")],
)
def test_a_side_without_lines_is_told_by_the_line_before(before: list[str], after: list[str], place: str) -> None:
    changes = line_changes(before, after, most=10)
    assert changes is not None
    assert next(unified(changes)) == ("@", place)


def test_equal_texts_have_no_difference() -> None:
    changes = line_changes(["a", "b"], ["a", "b"], most=0)
    assert changes == [(" ", "a"), (" ", "b")]
    assert list(unified(changes)) == []


def test_texts_made_to_be_slow_are_given_up() -> None:
    """difflib takes minutes for these: every line of one is in many places of the other."""
    before = [str(number * 7 % 150) for number in range(20_000)]
    after = [str(number * 11 % 150) for number in range(20_000)]
    assert line_changes(before, after, most=300) is None
