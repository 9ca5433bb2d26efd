"""The one rule for names in snapshots and artifacts."""

import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.snapshots import NameRefused, clean_name


@pytest.mark.parametrize(
    "name",
    ["train.py", "a/b/c.txt", "häuser/日本.csv", "with space .txt", ".amlignore", "...", "a/...b", "100%.txt", "é"],
)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert clean_name(name) == name


def test_decomposed_letters_are_composed() -> None:
    assert clean_name(unicodedata.normalize("NFD", "é.py")) == "é.py"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("//host/share", "absolute"),
        ("../x", "'..'"),
        ("a/../x", "'..'"),
        ("a/..", "'..'"),
        ("./x", "'.'"),
        ("a//b", "empty segment"),
        ("a/", "empty segment"),
        ("..\\x", "backslash"),
        ("a\\b", "backslash"),
        ("C:/x", "drive"),
        ("c:x", "drive"),
        ("file:/etc/passwd", "scheme"),
        ("FILE:x", "scheme"),
        ("https://host/x", "scheme"),
        ("%2e%2e/x", "percent"),
        ("a/%252e%252e/x", "percent"),
        ("a%2fb", "percent"),
        ("a%5Cb", "percent"),
        ("a%00b", "percent"),
        ("a\0b", "U+0000"),
        ("a\nb", "U+000A"),
        ("a\x85b", "U+0085"),
        ("a\u2028b", "U+2028"),
        ("a\udcffb", "Unicode"),
        ("é" * 128, "255"),
        ("a/" * 512 + "b", "1024"),
    ],
)
def test_dangerous_names_are_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(NameRefused) as refused:
        clean_name(name)
    assert refused.value.entry == name
    assert why in refused.value.why


def test_the_longest_names_are_taken() -> None:
    assert len(clean_name("a" * 255)) == 255
    assert len(clean_name("/".join(["a" * 255] * 4))) == 1023


@given(st.one_of(st.text(max_size=30), st.text(alphabet="ab./\\%2e5:\0é", max_size=20)))
def test_whatever_is_taken_stays_inside_and_is_stable(raw: str) -> None:
    try:
        name = clean_name(raw)
    except NameRefused:
        return
    assert clean_name(name) == name
    assert PurePosixPath(name).as_posix() == name
    assert not PurePosixPath(name).is_absolute()
    assert ".." not in PurePosixPath(name).parts
