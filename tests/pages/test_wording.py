import math
from pathlib import Path

import pytest

from mlportal.pages.wording import duration_words, elapsed_words, number_words
from mlportal.templatetags.portal import in_bytes


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0.00 s"),
        (0.42, "0.42 s"),
        (7.34, "7.3 s"),
        (9.97, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (65, "1 min 05 s"),
        (7380, "2 h 03 min"),
        (3 * 86_400 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "just now"),
        (12, "12 s ago"),
        (300, "5 min ago"),
        (3 * 3600, "3 h ago"),
        (4 * 86_400, "4 d ago"),
        (90 * 86_400, "2 months ago"),
        (800 * 86_400, "2 years ago"),
    ],
)
def test_elapsed_times(seconds: float, words: str) -> None:
    assert elapsed_words(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.9736842105263158, "0.973684"),
        (1.5e-7, "1.5e-07"),
        (12_345_678.0, "12,345,678"),
        (math.nan, "NaN"),
        (-math.inf, "-∞"),
        (1e300, "1e+300"),
    ],
)
def test_numbers(value: float, words: str) -> None:
    assert number_words(value) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, "?"),
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (5e14, "500 TB"),
    ],
)
def test_sizes(size: float | None, words: str) -> None:
    assert in_bytes(size) == words


def test_every_page_writes_sizes_the_same_way() -> None:
    """Django's own filter counts in 1024 and calls it KB."""
    templates = Path(__file__).resolve().parents[2] / "templates"
    assert [path.name for path in templates.rglob("*.html") if "filesizeformat" in path.read_text()] == []
