"""Untrusted YAML to a small tree that remembers its lines.

Works on the parser's events, never on constructed objects: an alias is refused before it is followed, and depth is
counted before anything recurses, so neither an alias bomb nor 20,000 brackets cost more than reading up to them.
"""

import re
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from experiments.environments.errors import EnvironmentFileError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_resolver: Any = yaml.resolver.Resolver()
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Scalar:
    """A single value as it is written; `plain` if it has no quotes."""

    value: str
    line: int
    plain: bool = True

    @property
    def is_text(self) -> bool:
        """Whether YAML reads it as a string (`3.6`, `true` and an empty value are not)."""
        tag: str = _resolver.resolve(yaml.ScalarNode, self.value, (self.plain, not self.plain))
        return tag == "tag:yaml.org,2002:str"

    @property
    def is_null(self) -> bool:
        return self.plain and self.value in {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True)
class Listing:
    """A YAML sequence."""

    line: int
    items: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Mapping:
    """A YAML mapping; keys are distinct and in the order of the file."""

    line: int
    entries: list[tuple[Scalar, "Node"]] = field(default_factory=list)


Node = Scalar | Listing | Mapping


@dataclass(frozen=True)
class Document:
    """The one document of a file, and its comments as (line, text after the `#`)."""

    root: Node | None
    comments: tuple[tuple[int, str], ...]


def load(text: str | bytes) -> Document:
    """Read one YAML document of at most 64 kB.

    Raises EnvironmentFileError, with the line, on: not UTF-8, too large, broken YAML, aliases and anchors, tags,
    nesting deeper than 20, a key twice, a key that is not a single value, more than one document.
    """
    source = _decode(text)
    tree = _Tree()
    try:
        for event in yaml.parse(source, Loader=_Loader):
            tree.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise EnvironmentFileError(f"this is not valid YAML: {error.problem or error.context}", line) from None
    except yaml.YAMLError as error:
        raise EnvironmentFileError(f"this is not valid YAML: {_first_line(error)}") from None
    return Document(tree.root, tuple(_comments(source, tree.quoted)))


def _decode(text: str | bytes) -> str:
    # A lone surrogate in a str is no text either, hence the way through bytes for both.
    try:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > MAX_BYTES:
            raise EnvironmentFileError(
                f"the file has {len(raw):,} bytes; an environment may have at most {MAX_BYTES:,} (64 kB)"
            )
        return raw.decode("utf-8-sig")
    except UnicodeError:
        raise EnvironmentFileError("the file is not UTF-8 text; save it as UTF-8") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["it cannot be read"])[0]


def _comments(source: str, quoted: list[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    starts = [start for start, _ in quoted]
    for match in _COMMENT.finditer(source):
        before = bisect(starts, match.start()) - 1
        if before < 0 or match.start() >= quoted[before][1]:
            yield source.count("\n", 0, match.start()) + 1, match.group(1).strip()


def _span(event: Any) -> tuple[int, int]:
    return event.start_mark.index, event.end_mark.index


class _Tree:
    """Builds the nodes from events with a stack of its own instead of recursion."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.quoted: list[tuple[int, int]] = []
        self._open: list[Listing | Mapping] = []
        self._keys: list[Scalar | None] = []  # per open node: the key that waits for its value
        self._seen: list[set[str]] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise EnvironmentFileError("YAML aliases (*name) are not taken here; write the value out", line)
        if isinstance(event, yaml.NodeEvent):
            self._refuse_extras(event, line)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise EnvironmentFileError("there is more than one YAML document in the file", line)
        elif isinstance(event, yaml.ScalarEvent):
            if event.style:
                self.quoted.append(_span(event))
            self._add(Scalar(event.value, line, plain=not event.style))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._enter(Listing(line))
        elif isinstance(event, yaml.MappingStartEvent):
            self._enter(Mapping(line))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
            self._seen.pop()

    @staticmethod
    def _refuse_extras(event: Any, line: int) -> None:
        if event.anchor is not None:
            raise EnvironmentFileError(f"YAML anchors (&{event.anchor}) are not taken here", line)
        if getattr(event, "tag", None) is not None:
            raise EnvironmentFileError(f"YAML tags ({event.tag}) are not taken here", line)

    def _enter(self, node: Listing | Mapping) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise EnvironmentFileError(f"the YAML is nested more than {MAX_DEPTH} deep", node.line)
        self._add(node)
        self._open.append(node)
        self._keys.append(None)
        self._seen.append(set())

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent, key = self._open[-1], self._keys[-1]
        if isinstance(parent, Listing):
            parent.items.append(node)
        elif key is not None:
            parent.entries.append((key, node))
            self._keys[-1] = None
        elif not isinstance(node, Scalar):
            raise EnvironmentFileError("a key has to be a single word", node.line)
        elif node.value in self._seen[-1]:
            raise EnvironmentFileError(f"the key {node.value!r} is there twice", node.line, node.value)
        else:
            self._seen[-1].add(node.value)
            self._keys[-1] = node
