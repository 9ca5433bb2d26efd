"""A search's text as words, values and signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlportal.errors import BadInput

MAX_CHARACTERS: Final = 500_000  # a list of 10,000 runs is one of 350,000
KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "LIKE", "ILIKE", "IN", "IS", "NULL", "ASC", "DESC"})
# Each pattern is tried at one place and goes straight on: none can look back.
_SPACE: Final = re.compile(r"\s+")
_WORD: Final = re.compile(r"[^\W\d]\w*")
_KEY: Final = re.compile(r"[\w:/-]+(?:\.[\w:/-]+)*")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w)")
_SIGN: Final = re.compile(r"<=|>=|!=|[=<>(),]")


class BadSearch(BadInput):
    """The text is no search; the message says where and why."""

    code = "bad_search"


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is "field", "text", "number", "keyword", "sign" or "end". `text` is a field's first part, a keyword in
    capitals, a text without its quotes. `key` is a field's second part: "b" of `a.b`, and None where there is none."""

    kind: str
    text: str
    at: int
    key: str | None = None


def is_word(text: str) -> bool:
    """Whether it stands for itself without quotes, as an attribute."""
    return _WORD.fullmatch(text) is not None and text.upper() not in KEYWORDS


def is_key(text: str) -> bool:
    """Whether it stands for itself without quotes, behind a dot."""
    return _KEY.fullmatch(text) is not None


def tokens_of(source: str) -> list[Token]:
    """Raises BadSearch. The last token is the end."""
    if len(source) > MAX_CHARACTERS:
        raise BadSearch(f"A search has at most {MAX_CHARACTERS} characters.")
    if "\0" in source:
        raise BadSearch("A search cannot hold a NUL character.")
    found: list[Token] = []
    at = 0
    while True:
        if space := _SPACE.match(source, at):
            at = space.end()
        if at >= len(source):
            found.append(Token("end", "", at))
            return found
        token, at = _next(source, at)
        found.append(token)


def _next(source: str, at: int) -> tuple[Token, int]:
    letter = source[at]
    if letter in "'\"`":
        text, end = _quoted(source, at)
        # MLflow takes `name` and "name" for an attribute, too; which one it is, text or field, the grammar knows.
        return Token("field" if letter == "`" else "text", text, at), end
    if number := _NUMBER.match(source, at):
        return Token("number", number.group(), at), number.end()
    if word := _WORD.match(source, at):
        return _word(source, at, word.group(), word.end())
    if sign := _SIGN.match(source, at):
        return Token("sign", sign.group(), at), sign.end()
    raise BadSearch(
        f"Invalid clause(s) in filter string: {letter!r} at character {at + 1} is nothing that can stand there."
    )


def _word(source: str, at: int, word: str, end: int) -> tuple[Token, int]:
    if source[end : end + 1] == ".":
        if source[end + 1 : end + 2] in ("'", '"', "`"):
            key, end = _quoted(source, end + 1)
        elif bare := _KEY.match(source, end + 1):
            key, end = bare.group(), bare.end()
        else:
            raise BadSearch(f"After {word}. at character {end + 1} a name has to stand.")
        return Token("field", word, at, key), end
    if word.upper() in KEYWORDS:
        return Token("keyword", word.upper(), at), end
    return Token("field", word, at), end


def _quoted(source: str, at: int) -> tuple[str, int]:
    """The text between the quotes, and where it ends; a doubled quote in it is one."""
    quote, parts, start = source[at], [], at + 1
    while True:
        end = source.find(quote, start)
        if end < 0:
            raise BadSearch(f"The quote at character {at + 1} is never closed.")
        parts.append(source[start:end])
        if source[end + 1 : end + 2] != quote:
            return quote.join(parts), end + 1
        start = end + 2
