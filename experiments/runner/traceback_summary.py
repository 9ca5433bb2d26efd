"""The failure at the end of a log: the last Python traceback, a syntax error, or a plain message of death."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from experiments.runner.removed_names import Hint, hint_for

MAX_FRAMES = 50
MAX_MESSAGE = 2000
_MESSAGE_LINES = 10


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of a call stack; `source` is the line as the traceback shows it, empty when it does not."""

    file: str
    line: int
    function: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong. `exception` is the dotted type (or `Killed`, `Segmentation fault`, `Error`).

    `file` and `line` are the innermost place in the user's own files (the innermost of all when there is none; None
    when unknown). `frames`: outermost first, the outermost left out beyond MAX_FRAMES. `offset`: characters from the
    start of the log tail to the first line of the error (of a chain: of its first traceback).
    """

    exception: str
    message: str
    file: str | None
    line: int | None
    frames: tuple[Frame, ...]
    offset: int
    hint: Hint | None


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    offset: int
    in_group: bool  # it stands at the margin of an exception group


@dataclass(frozen=True, slots=True)
class _Traceback:
    exception: str
    message: str
    frames: tuple[Frame, ...]
    start: int  # index of its first line
    end: int  # index of the line after its last
    parts: tuple[tuple[str, str], ...] = ()  # of an exception group: types and messages of what is in it


_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_GROUP = re.compile(r"^ *(?:\| |\+ (?=Exception Group))")
_MARGIN = re.compile(r"^ +[|+]")
_HEADER = re.compile(r"^(?:Exception Group )?Traceback \(most recent call last\):\s*$")
_LATE_HEADER = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):(?:\s|\x1b\[[0-9;?]*[A-Za-z])*$")
_FRAME = re.compile(r'^  File "(?P<file>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.*))?$')
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:: ?(?P<message>.*))?$")
_SYNTAX = re.compile(r"^(?:SyntaxError|IndentationError|TabError)\b")
_CHAINED = re.compile(
    r"^(?:During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)$"
)
_LIBRARY = re.compile(r"(?:^<|[/\\](?:site|dist)-packages[/\\]|[/\\]lib(?:64)?[/\\]python\d)")
_PLAIN = [
    ("Killed", re.compile(r"^(?:\S*: line \d+: +\d+ )?Killed\b")),
    (
        "Segmentation fault",
        re.compile(r"^(?:\S*: line \d+: +\d+ )?Segmentation fault\b|^Fatal Python error: Segmentation"),
    ),
    ("Fatal Python error", re.compile(r"^Fatal Python error: ")),
    ("Aborted", re.compile(r"^(?:\S*: line \d+: +\d+ )?Aborted\b|^terminate called after throwing")),
    ("Error", re.compile(r"^\S*python[\d.]*: can't open file |^\S+: (?:line \d+: )?\S+: command not found$")),
]
_PLAIN_LINES = 20


def summarise(log_tail: str) -> Failure | None:
    """The last failure in the end of a log, or None when it shows none. Never raises on any text."""
    lines = _lines(log_tail)
    tracebacks = _tracebacks(lines)
    if not tracebacks:
        return _plain(lines)
    last = tracebacks[-1]
    chain = [last]
    for earlier in reversed(tracebacks[:-1]):
        if not any(_CHAINED.match(line.text) for line in lines[earlier.end : chain[0].start]):
            break
        chain.insert(0, earlier)
    causes = [cause for item in reversed(chain) for cause in ((item.exception, item.message), *item.parts)]
    hints = (hint_for(exception.rpartition(".")[2], message) for exception, message in causes)
    place = _own_place(last.frames)
    return Failure(
        exception=last.exception,
        message=last.message,
        file=place.file if place else None,
        line=place.line if place else None,
        frames=last.frames[-MAX_FRAMES:],
        offset=lines[chain[0].start].offset,
        hint=next((hint for hint in hints if hint), None),
    )


def _lines(text: str) -> list[_Line]:
    """Without colours and the margins of exception groups; a header is a line of its own whatever stood before it."""
    raw_lines = text.split("\n")
    lines, offset = [], 0
    for raw, following in zip(raw_lines, [*raw_lines[1:], ""], strict=True):
        line, start = _plain_text(raw), 0
        # A progress bar, or a print without a newline. Only with a frame below: else somebody prints about tracebacks.
        late = None if _HEADER.match(line) else _LATE_HEADER.search(raw)
        if late and _FRAME.match(_plain_text(following)):
            start = late.start()
            lines.append(_Line(_plain_text(raw[:start]), offset, False))
            line = _plain_text(raw[start:])
        lines.append(_Line(line, offset + start, bool(_MARGIN.match(_ANSI.sub("", raw)))))
        offset += len(raw) + 1
    return lines


def _plain_text(raw: str) -> str:
    return _GROUP.sub("", _ANSI.sub("", raw.rstrip("\r")))


def _tracebacks(lines: list[_Line]) -> list[_Traceback]:
    found: list[_Traceback] = []
    index = 0
    while index < len(lines):
        text = lines[index].text
        item = None
        if _HEADER.match(text):
            item = _read(lines, index, index + 1)
        elif text.startswith('  File "') and _is_bare_syntax_error(lines, index):
            item = _read(lines, index, index)
        if item:
            found.append(item)
        index = item.end if item else index + 1
    return found


def _is_bare_syntax_error(lines: list[_Line], index: int) -> bool:
    """A script that does not compile is reported without the usual header."""
    return any(_SYNTAX.match(line.text) for line in lines[index + 1 : index + 5])


def _read(lines: list[_Line], start: int, index: int) -> _Traceback | None:
    """The traceback whose frames begin at `index`: indented lines, then the exception; None when it is cut off."""
    frames: list[Frame] = []
    while index < len(lines) and (lines[index].text.startswith(" ") or not lines[index].text):
        match = _FRAME.match(lines[index].text)
        if match:
            following = lines[index + 1].text if index + 1 < len(lines) else ""
            source = following.strip() if following.startswith("    ") else ""
            frames.append(Frame(match["file"], int(match["line"]), match["function"] or "", source))
        index += 1
    exception = _EXCEPTION.match(lines[index].text) if index < len(lines) else None
    if not exception:
        return None
    message = [exception["message"] or ""]
    index += 1
    parts: list[tuple[str, str]] = []
    if lines[index - 1].in_group:
        index, parts = _read_parts(lines, index)
        message += [": ".join(filter(None, part)) for part in parts[: _MESSAGE_LINES - 1]]
    while index < len(lines) and len(message) < _MESSAGE_LINES and _continues(lines[index].text):
        message.append(lines[index].text)
        index += 1
    whole = "\n".join(message)[:MAX_MESSAGE]
    return _Traceback(exception["type"], whole, tuple(frames), start, index, tuple(parts))


def _read_parts(lines: list[_Line], index: int) -> tuple[int, list[tuple[str, str]]]:
    """The index behind an exception group, and the exceptions in it."""
    parts = []
    while index < len(lines) and lines[index].in_group:
        match = _EXCEPTION.match(lines[index].text)
        if match:
            parts.append((match["type"], match["message"] or ""))
        index += 1
    return index, parts


def _continues(text: str) -> bool:
    return bool(text.strip()) and not _HEADER.match(text) and not _CHAINED.match(text) and text != '"""'


def _own_place(frames: Iterable[Frame]) -> Frame | None:
    frames = tuple(frames)
    own = [frame for frame in frames if not _LIBRARY.search(frame.file)]
    return (own or frames or (None,))[-1]


def _plain(lines: list[_Line]) -> Failure | None:
    for line in reversed([line for line in lines if line.text.strip()][-_PLAIN_LINES:]):
        for name, pattern in _PLAIN:
            if pattern.match(line.text):
                return Failure(name, line.text[:MAX_MESSAGE], None, None, (), line.offset, None)
    return None
