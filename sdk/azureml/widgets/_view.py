"""A run as a piece of HTML. All that it says comes out of a run: every text is escaped, nothing is a script."""

from html import escape
from typing import Any, Dict, List, Tuple

_COLOURS = {
    "Completed": "#2f9e44",
    "Failed": "#e03131",
    "Canceled": "#868e96",
    "Running": "#1971c2",
    "Finalizing": "#1098ad",
}
_WIDTH, _HEIGHT = 240, 80
_BOX = "border:1px solid rgba(128,128,128,.35);border-radius:4px;padding:8px 12px;margin:8px 0"
_LOG = (
    "max-height:20em;overflow:auto;white-space:pre-wrap;word-break:break-word;font-size:12px;margin:0;background:none"
)


def render(state: Any) -> str:
    data = state.data
    status = str(data["status"])
    colour = _COLOURS.get(status, "#f08c00")
    parts = [
        '<div style="font-family:sans-serif;max-width:60em">',
        '<div style="{}"><b>{}</b> &nbsp;<span style="color:{};font-weight:bold" data-status="{}">● {}</span>'
        ' &nbsp;<a style="color:inherit" href="{}" target="_blank" rel="noopener">open in the portal</a>'.format(
            _BOX, escape(str(data["display_name"])), colour, escape(status), escape(status), escape(state.url)
        ),
        _phases(data.get("phases") or []),
        "</div>",
    ]
    failure = data.get("failure")
    if failure:
        text = ": ".join(str(failure[key]) for key in ("type", "message") if failure.get(key))
        parts.append('<div style="{};color:#e03131">{}</div>'.format(_BOX, escape(text)))
    if state.message:
        parts.append('<div style="{}">{}</div>'.format(_BOX, escape(state.message)))
    charts = "".join(_chart(name, state.series[name]) for name in sorted(state.series))
    if charts:
        parts.append('<div style="{};display:flex;flex-wrap:wrap;gap:16px">{}</div>'.format(_BOX, charts))
    lines = "\n".join(state.log).strip("\n") or state.building
    if lines:
        parts.append('<div style="{}"><pre style="{}">{}</pre></div>'.format(_BOX, _LOG, escape(lines)))
    return "".join(parts) + "</div>"


def _phases(phases: List[Dict[str, Any]]) -> str:
    """Those that have begun, each with its length and the reason for it."""
    rows = []
    for phase in phases:
        if not phase["start"]:
            continue
        mark = "✓" if phase["end"] else "…"
        reason = " — {}".format(escape(str(phase["reason"]))) if phase["reason"] else ""
        seconds = _seconds(phase["start"], phase["end"]) if phase["end"] else ""
        rows.append("<div>{} {} {}{}</div>".format(mark, escape(str(phase["name"])), seconds, reason))
    return '<div style="font-size:13px;margin-top:6px">{}</div>'.format("".join(rows)) if rows else ""


def _seconds(start: str, end: str) -> str:
    from azureml.core.model import _moment

    return "{:.0f} s".format((_moment(end) - _moment(start)).total_seconds())


def _chart(name: str, series: Dict[str, Any]) -> str:
    points = [
        (float(step), float(value))
        for step, value in zip(series["steps"], series["values"])  # noqa: B905 - Python 3.10 brought strict
        if isinstance(value, (int, float))
    ]
    title = '<div style="font-size:13px"><b>{}</b> {}</div>'.format(
        escape(name), escape(_short(series["values"][-1])) if series["values"] else ""
    )
    if len(points) < 2:
        return '<div style="min-width:{}px">{}</div>'.format(_WIDTH // 2, title)
    return (
        '<div>{}<svg width="{w}" height="{h}" viewBox="-2 -2 {vw} {vh}" role="img" aria-label="{}">'
        '<polyline fill="none" stroke="#228be6" stroke-width="1.5" points="{}"/></svg>'
        '<div style="font-size:11px;opacity:.7">{} … {}</div></div>'
    ).format(
        title,
        escape(name, quote=True),
        _polyline(points),
        _short(min(value for _, value in points)),
        _short(max(value for _, value in points)),
        w=_WIDTH,
        h=_HEIGHT,
        vw=_WIDTH + 4,
        vh=_HEIGHT + 4,
    )


def _polyline(points: List[Tuple[float, float]]) -> str:
    steps, values = [x for x, _ in points], [y for _, y in points]
    wide, high = (max(steps) - min(steps)) or 1.0, (max(values) - min(values)) or 1.0
    return " ".join(
        "{:.1f},{:.1f}".format((x - min(steps)) / wide * _WIDTH, _HEIGHT - (y - min(values)) / high * _HEIGHT)
        for x, y in points
    )


def _short(value: Any) -> str:
    return "{:.5g}".format(value) if isinstance(value, (int, float)) else str(value)
