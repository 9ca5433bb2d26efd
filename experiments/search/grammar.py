"""From words to a tree, by recursive descent.

search     = all { OR all }
all        = one { AND one }
one        = NOT one | "(" search ")" | comparison
comparison = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | [I]LIKE ) value
           | field [NOT] IN "(" value { "," value } ")"
           | field IS [NOT] NULL
field      = name | kind "." name | ( last | min | max | best ) "(" metrics "." name ")"
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from .tokens import BadSearch, Token, is_key, is_word, tokens_of

MAX_DEPTH: Final = 20
MAX_COMPARISONS: Final = 100
MAX_VALUES: Final = 10_000
SIGNS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
KINDS: Final = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}


STATS: Final = ("last", "min", "max", "best")
_PLURALS: Final = {"metric": "metrics", "param": "params", "tag": "tags", "dataset": "datasets"}


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` is "metric", "param", "tag", "attribute" or "dataset"; `stat` says which number of a metric, one of STATS.

    As a text it is what is read as this field again.
    """

    kind: str
    key: str
    stat: str = "last"

    def __str__(self) -> str:
        quoted = "`" + self.key.replace("`", "``") + "`"
        if self.kind == "attribute":
            return self.key if is_word(self.key) else quoted
        name = f"{_PLURALS[self.kind]}.{self.key if is_key(self.key) else quoted}"
        return name if self.stat == "last" else f"{self.stat}({name})"


Value = str | float | int | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`sign` in capitals: "=", "NOT IN", "IS NULL" … Its value is a tuple for lists and None for IS NULL."""

    field: Field
    sign: str
    value: Value


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition = And | Or | Not | Comparison


@dataclass(frozen=True, slots=True)
class Order:
    field: Field
    descending: bool


def parse_filter(source: str, kinds: Collection[str]) -> Condition | None:
    """The tree; None for a text with nothing in it. `kinds` are those that are to be had here. Raises BadSearch."""
    if not source.strip():
        return None
    parser = _Parser(tokens_of(source), kinds)
    condition = parser.search(0)
    parser.expect_end()
    return condition


def parse_order(source: str, kinds: Collection[str]) -> Order:
    """One key of an order, such as `metrics.loss DESC`. Raises BadSearch."""
    parser = _Parser(tokens_of(source), kinds)
    field = parser.field()
    descending = parser.takes("keyword", "DESC")
    if not descending:
        parser.takes("keyword", "ASC")
    parser.expect_end()
    return Order(field, descending)


def parse_field(source: str, kinds: Collection[str]) -> Field:
    """One field, such as `params.kernel` or `max(metrics.auc)`. Raises BadSearch."""
    parser = _Parser(tokens_of(source), kinds)
    field = parser.field()
    parser.expect_end()
    return field


class _Parser:
    def __init__(self, tokens: list[Token], kinds: Collection[str]) -> None:
        self._tokens = tokens
        self._kinds = kinds
        self._at = 0
        self._comparisons = 0

    def search(self, depth: int) -> Condition:
        parts = [self._all(depth)]
        while self.takes("keyword", "OR"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, depth: int) -> Condition:
        parts = [self._one(depth)]
        while self.takes("keyword", "AND"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            raise BadSearch(f"A search is nested at most {MAX_DEPTH} deep.")
        if self.takes("keyword", "NOT"):
            return Not(self._one(depth + 1))
        if self.takes("sign", "("):
            inner = self.search(depth + 1)
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise BadSearch(f"A search has at most {MAX_COMPARISONS} comparisons.")
        field = self.field()
        if self.takes("keyword", "IS"):
            negated = self.takes("keyword", "NOT")
            if not self.takes("keyword", "NULL"):
                raise self._wrong("NULL")
            return Comparison(field, "IS NOT NULL" if negated else "IS NULL", None)
        negated = self.takes("keyword", "NOT")
        if self.takes("keyword", "IN"):
            return Comparison(field, "NOT IN" if negated else "IN", self._list())
        if negated:
            raise self._wrong("IN")
        token = self._next()
        if not (token.kind == "sign" and token.text in SIGNS) and not (
            token.kind == "keyword" and token.text in ("LIKE", "ILIKE")
        ):
            raise self._wrong("a comparison", token)
        return Comparison(field, token.text, self._value())

    def field(self) -> Field:
        token = self._next()
        if token.kind == "field" and token.key is None and token.text.lower() in STATS and self.takes("sign", "("):
            inner = self._next()
            if inner.kind != "field" or KINDS.get(inner.text) != "metric" or not inner.key:
                raise self._wrong("a metric such as metrics.loss", inner)
            self._expect(")")
            return Field("metric", inner.key, token.text.lower())
        if token.kind == "text" and token.text.isprintable():
            return Field("attribute", token.text)
        if token.kind != "field":
            raise self._wrong("a name such as metrics.loss or params.kernel", token)
        if token.key is None:
            return Field("attribute", token.text)
        kind = KINDS.get(token.text)
        if kind is None or kind not in self._kinds:
            raise BadSearch(f"Invalid entity type {token.text!r}. Valid values are {sorted(self._kinds)}")
        return Field(kind, token.key)

    def _value(self) -> str | float | int:
        token = self._next()
        if token.kind == "text":
            return token.text
        if token.kind == "number":
            try:
                return int(token.text[:400])
            except ValueError:
                return float(token.text)
        raise self._wrong("a number or a text in quotes", token)

    def _list(self) -> tuple[str, ...]:
        self._expect("(")
        values = []
        while True:
            token = self._next()
            if token.kind != "text":
                raise self._wrong("a text in quotes", token)
            values.append(token.text)
            if len(values) > MAX_VALUES:
                raise BadSearch(f"A list has at most {MAX_VALUES} values.")
            if not self.takes("sign", ","):
                break
        self._expect(")")
        return tuple(values)

    def takes(self, kind: str, text: str) -> bool:
        token = self._tokens[self._at]
        if token.kind != kind or token.text != text:
            return False
        self._at += 1
        return True

    def expect_end(self) -> None:
        if self._tokens[self._at].kind != "end":
            raise self._wrong("the end, AND or OR")

    def _expect(self, sign: str) -> None:
        if not self.takes("sign", sign):
            raise self._wrong(f"{sign!r}")

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _wrong(self, expected: str, found: Token | None = None) -> BadSearch:
        found = found or self._tokens[self._at]
        seen = "the end" if found.kind == "end" else f"{found.text[:100]!r}"
        return BadSearch(
            f"Invalid clause(s) in filter string: {seen} at character {found.at + 1}, where {expected} has to stand."
        )
