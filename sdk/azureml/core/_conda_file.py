"""Reads and writes the YAML of conda environment files without a YAML library: block style, flow lists, quotes, comments.

Anchors, tags and folded texts, which such files do not need, are refused by line.
"""

import json
import re
from typing import Any, List, NamedTuple, Optional, Tuple

from azureml.exceptions import UserErrorException

_KEY = re.compile(r"""^("[^"]*"|'[^']*'|[A-Za-z_][\w.-]*)\s*:(?:\s+(.*))?$""")
# What begins otherwise may be a number, a date, a merge or a folded text to YAML.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9 _./=<>~^!,;\[\]:+*@$&%()\\'\"-]*")
_RESERVED = re.compile(r"(?i)(true|false|yes|no|on|off|null)")


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def read(text: str) -> Any:
    """Dicts, lists and texts. UserErrorException names the line that is none of these."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        content = _without_comment(raw)
        if content.strip() in ("", "---", "..."):
            continue
        if "\t" in content[: len(content) - len(content.lstrip())]:
            raise _error(number, "is indented by tabs")
        lines.append(_Line(number, len(content) - len(content.lstrip()), content.strip()))
    if not lines:
        return {}
    value, rest = _block(lines, lines[0].indent)
    if rest:
        raise _error(rest[0].number, "is indented unlike what it belongs to")
    return value


def write_text(value: str) -> str:
    """A text as YAML: as it is where that reads back the same, else in quotes."""
    plain = _PLAIN.fullmatch(value) and not _RESERVED.fullmatch(value) and ": " not in value and " #" not in value
    if plain and not value.endswith((":", " ")):
        return value
    # beyond the basic plane JSON's escapes are pairs, which YAML does not join; its line ends are not JSON's
    quoted = json.dumps(value, ensure_ascii=False)
    return re.sub("[\x7f-\xa0\u2028\u2029\ufeff]", lambda found: "\\u{:04x}".format(ord(found.group())), quoted)


def _block(lines: List[_Line], indent: int) -> Tuple[Any, List[_Line]]:
    first = lines[0].text
    if first == "-" or first.startswith("- "):
        return _sequence(lines, indent)
    if _KEY.match(first):
        return _mapping(lines, indent)
    return _scalar(lines[0].text, lines[0].number), lines[1:]


def _sequence(lines: List[_Line], indent: int) -> Tuple[List[Any], List[_Line]]:
    items: List[Any] = []
    while lines and lines[0].indent == indent and (lines[0].text == "-" or lines[0].text.startswith("- ")):
        line = lines[0]
        inner = line.text[1:].lstrip()
        if not inner:
            value, lines = _nested(lines[1:], indent + 1)
        else:  # as if what follows the dash stood on a line of its own
            own = _Line(line.number, indent + len(line.text) - len(inner), inner)
            value, lines = _block([own] + lines[1:], own.indent)
        items.append(value)
    return items, lines


def _mapping(lines: List[_Line], indent: int) -> Tuple[Any, List[_Line]]:
    found = {}
    while lines and lines[0].indent == indent:
        line = lines[0]
        match = _KEY.match(line.text)
        if match is None:
            raise _error(line.number, "is no `key: value`")
        key = _scalar(match.group(1), line.number)
        if match.group(2):
            found[key], lines = _scalar(match.group(2), line.number), lines[1:]
        else:  # a list may stand at the indentation of its key
            dashed = len(lines) > 1 and lines[1].indent == indent and re.match(r"-( |$)", lines[1].text)
            found[key], lines = _nested(lines[1:], indent if dashed else indent + 1)
    return found, lines


def _nested(lines: List[_Line], least: int) -> Tuple[Any, List[_Line]]:
    if lines and lines[0].indent >= least:
        return _block(lines, lines[0].indent)
    return None, lines


def _scalar(text: str, number: int) -> Any:
    if text[0] == "[" and text[-1] == "]":
        inner = text[1:-1].strip()
        return [_scalar(part.strip(), number) for part in inner.split(",") if part.strip()]
    if text[0] == '"' and text[-1] == '"' and len(text) > 1:
        try:
            return json.loads(text)
        except ValueError:
            raise _error(number, "has quotes that cannot be read") from None
    if text[0] == "'" and text[-1] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text == "{}":
        return {}
    if text[0] in "&*!|>{[\"'%@`":
        raise _error(number, "begins with {!r}, which is not read here".format(text[0]))
    return None if text in ("~", "null") else text


def _without_comment(line: str) -> str:
    quote: Optional[str] = None
    for index, letter in enumerate(line):
        if quote:
            quote = None if letter == quote else quote
        elif letter in "\"'" and (index == 0 or line[index - 1] in " [,-"):
            quote = letter
        elif letter == "#" and (index == 0 or line[index - 1] in " \t"):
            return line[:index].rstrip()
    return line.rstrip()


def _error(number: int, what: str) -> UserErrorException:
    return UserErrorException("line {} of the conda file {}".format(number, what))
