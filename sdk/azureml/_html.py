"""What notebooks show of an object. Every text is somebody's: all of it is escaped."""

from html import escape
from typing import Dict


def table(cells: Dict[str, str]) -> str:
    """One row with its headings; an address becomes a link."""
    heads = "".join("<th>{}</th>".format(escape(name)) for name in cells)
    row = "".join("<td>{}</td>".format(_cell(str(value))) for value in cells.values())
    return '<table style="width:100%"><tr>{}</tr><tr>{}</tr></table>'.format(heads, row)


def _cell(text: str) -> str:
    if text.startswith(("http://", "https://")):
        return '<a href="{0}" target="_blank" rel="noopener">{0}</a>'.format(escape(text))
    return escape(text)
