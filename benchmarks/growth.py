"""How the cost of each call grows with the number of runs that there are: as numbers, and as the picture in the documents.

python -m benchmarks.growth              1,000, 10,000 and 100,000 runs; draws docs/images/growth.svg
python -m benchmarks.growth 1000 10000   over so many
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from benchmarks.figures import Figure, report
from benchmarks.many_runs import WORKSPACE
from benchmarks.tracking.calls import Tracking, batch, median_of, one_metric, say
from mlportal.demo.process import OwnPortal

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "growth.svg"
COUNTS = (1_000, 10_000, 100_000)
CALLS = 50
MOST = 2.0  # times as much, for a hundred times as many runs
COLOURS = ("#066fd1", "#d6336c", "#2fb344", "#f59f00", "#ae3ec9", "#0ca678", "#626976")
LABELS = {
    "create_run": "create a run",
    "log_metric": "log one metric",
    "log_batch": "log 1,000 metrics",
    "history": "history of 10,000 points",
    "series": "chart of 10,000 points",
    "search": "search: 100 by a metric",
    "table": "list of runs, JSON: 50 by start",
}
Measured = dict[str, float]


def main() -> int:
    counts = tuple(int(text) for text in sys.argv[1:]) or COUNTS
    found = {count: measured(count) for count in counts}
    if counts == COUNTS:
        PICTURE.write_text(drawn(found))
    first, last = found[counts[0]], found[counts[-1]]
    note = f"median of {CALLS} over {counts[-1]:,} runs, against that over {counts[0]:,}"
    # What takes less than a millisecond more is noise, not growth.
    figures = [
        Figure(
            f"growth.{name}", last[name], max(first[name] * MOST, first[name] + 1), "ms", peer=first[name], note=note
        )
        for name in LABELS
    ]
    return report("growth", figures)


def measured(count: int) -> Measured:
    """Milliseconds of each call, in a portal with so many runs, on SQLite."""
    say(f"{count:,} runs")
    with OwnPortal() as own:
        own.stop()
        command = [sys.executable, "-m", "benchmarks.many_runs", str(count)]
        subprocess.run(
            command, cwd=ROOT, env={**own.variables, "DJANGO_SETTINGS_MODULE": "mlportal.settings"}, check=True
        )
        own.start()
        tracking = Tracking(int(own.bind.rpartition(":")[2]), own.token(), WORKSPACE)
        experiments = json.loads(tracking.ask("POST", "experiments/search", {"max_results": 10}))["experiments"]
        sweep = next(each["experiment_id"] for each in experiments if each["name"] == "sweep")
        run, long = tracking.new_run(sweep), tracking.new_run(sweep)
        for number in range(10):
            tracking.raw("POST", "runs/log-batch", batch(long, number))
        time.sleep(3)  # what was written a moment ago is put in order
        history = f"metrics/get-history?run_id={long}&metric_key=loss"
        series = f"/api/v1/workspaces/{WORKSPACE}/runs/{long}/metrics/series/?name=loss&points=1000"
        listed = f"/api/v1/workspaces/{WORKSPACE}/runs/?experiment={quote('sweep')}&page_size=50"
        search = {"experiment_ids": [sweep], "order_by": ["metrics.accuracy DESC"], "max_results": 100}
        bodies = [batch(run, number) for number in range(CALLS)]
        calls = {
            "create_run": lambda _: tracking.new_run(sweep),
            "log_metric": lambda step: tracking.ask("POST", "runs/log-metric", one_metric(run, step)),
            "log_batch": lambda number: tracking.raw("POST", "runs/log-batch", bodies[number]),
            "history": lambda _: tracking.raw("GET", history),
            "series": lambda _: tracking.raw("GET", series),
            "search": lambda _: tracking.ask("POST", "runs/search", search),
            "table": lambda _: tracking.raw("GET", listed),
        }
        return {name: median_of(CALLS, call) for name, call in calls.items()}


def drawn(found: dict[int, Measured]) -> str:
    """Lines over both logarithms, as SVG that is readable in the light and in the dark."""
    counts = sorted(found)
    values = [value for each in found.values() for value in each.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    left, top, width, height = 70, 20, 420, 300

    def x(count: int) -> float:
        return left + width * (math.log10(count / counts[0]) / math.log10(counts[-1] / counts[0]))

    def y(value: float) -> float:
        return top + height * (1 - (math.log10(value) - low) / (high - low))

    parts = [
        (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 370" font-family="sans-serif" font-size="13" role="img"'
            ' aria-label="Milliseconds of each call over the number of runs">'
        ),
        "<style>text{fill:#1f2937}line{stroke:#9ca3af}@media(prefers-color-scheme:dark){text{fill:#e5e7eb}line{stroke:#6b7280}}</style>",
    ]
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(f'<line x1="{left}" y1="{at:.1f}" x2="{left + width}" y2="{at:.1f}" stroke-width="0.5"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>')
    for count in counts:
        parts.append(f'<text x="{x(count):.1f}" y="{top + height + 22}" text-anchor="middle">{count:,} runs</text>')
    for place, (name, label) in enumerate(LABELS.items()):
        colour = COLOURS[place]
        points = " ".join(f"{x(count):.1f},{y(found[count][name]):.1f}" for count in counts)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for count in counts:
            title = f"<title>{label}, {count:,} runs: {found[count][name]:.2g} ms</title>"
            parts.append(
                f'<circle cx="{x(count):.1f}" cy="{y(found[count][name]):.1f}" r="3.5" fill="{colour}">{title}</circle>'
            )
        at = top + 14 + 22 * place
        parts.append(f'<rect x="{left + width + 24}" y="{at - 9}" width="12" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + width + 42}" y="{at - 3}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(main())
