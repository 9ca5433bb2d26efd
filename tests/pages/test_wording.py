import math

import pytest

from mlportal.pages.wording import duration_words, elapsed_words, number_words


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
