// Parallel coordinates, drawn with lines: plotly's own need WebGL and a library three times as large.

import { element } from "../run/format.js";
import { isDark, label, layout } from "../run/theme.js";
import { colourOf, colourScale } from "./colours.js";
import { short } from "./dimensions.js";

const CONFIG = { responsive: true, displayModeBar: false };
const WIDTH = 110; // of one axis with its numbers, at least; the box scrolls

/** `axes` and `colour` are Dimensions, `names` those of the runs, `brushes` the ranges on axes and `kept` the places of the
 *  runs that are inside of them all. Returns what is to be said below. */
export function drawParallel(box, axes, colour, names, brushes, kept) {
  const inside = new Set(kept);
  const hover = (at) => [label(short(names[at], 60)), ...axes.map((axis) => `${label(short(axis.name))}: ${label(axis.text(at))}`)].join("<br>");
  const outside = isDark() ? "rgba(255,255,255,.14)" : "rgba(0,0,0,.1)";
  const shade = (at) => (inside.has(at) ? colourOf(colour.share(at)) : outside);
  const drawn = names.map((_, at) => at).sort((one, other) => inside.has(one) - inside.has(other)); // those inside on top
  const lines = drawn.map((at) => ({
    type: "scatter",
    mode: "lines+markers",
    x: axes.map((_, place) => place),
    y: axes.map((axis) => axis.share(at)),
    line: { color: shade(at), width: 2 },
    marker: { color: shade(at), size: 5 },
    opacity: kept.length > 40 ? 0.55 : 0.85,
    text: axes.map(() => hover(at)),
    hovertemplate: "%{text}<extra></extra>",
    ...(inside.has(at) ? {} : { hoverinfo: "skip", hovertemplate: null }),
  }));
  const ranges = axes.flatMap((axis, place) => {
    const [low, high] = brushes[axis.key] ?? [null];
    return low === null ? [] : [{ type: "line", x0: place, x1: place, y0: low, y1: Math.max(high, low + 0.01), line: { color: isDark() ? "#4aa3e0" : "#0072b2", width: 9 }, opacity: 0.55 }];
  });
  const line = isDark() ? "rgba(255,255,255,.45)" : "rgba(0,0,0,.4)";
  const background = getComputedStyle(box.closest(".card")).backgroundColor;
  const tick = (place) => ([share, text]) => ({ x: place, y: share, text: label(text), showarrow: false, xanchor: "left", xshift: 5, font: { size: 11 }, bgcolor: background });
  const title = (axis, place) => ({ x: place, y: 1, yshift: 22, text: label(short(axis.name, 18)) + (axis.isLog ? " (log)" : ""), showarrow: false, font: { size: 12 } });
  const look = layout({
    height: 380,
    margin: { l: 30, r: 80, t: 44, b: 20 },
    hovermode: "closest",
    dragmode: false, // the pointer draws ranges
    xaxis: { visible: false, range: [-0.15, Math.max(1, axes.length - 1) + 0.35], fixedrange: true },
    yaxis: { visible: false, range: [-0.06, 1.06], fixedrange: true },
    shapes: axes.map((_, place) => ({ type: "line", x0: place, x1: place, y0: 0, y1: 1, line: { color: line, width: 1.5 } })).concat(ranges),
    annotations: axes.flatMap((axis, place) => [title(axis, place), ...axis.ticks().map(tick(place))]),
  });
  box.style.minWidth = `${WIDTH * axes.length}px`;
  Plotly.react(box, [...lines, colourBar(colour)], look, CONFIG);
  const gaps = names.filter((_, at) => axes.some((axis) => axis.numbers[at] === null)).length;
  return gaps ? `${gaps} run${gaps === 1 ? " has" : "s have"} no number on some axis: the line has a gap there.` : "";
}

/** A trace without points, for its legend of colours. */
function colourBar(colour) {
  const ticks = colour.ticks();
  return {
    type: "scatter",
    mode: "markers",
    x: [null],
    y: [null],
    hoverinfo: "skip",
    marker: {
      color: [0],
      cmin: 0,
      cmax: 1,
      colorscale: colourScale(),
      showscale: true,
      colorbar: barOf(colour, ticks),
    },
  };
}

export function barOf(colour, ticks) {
  return {
    title: { text: label(short(colour.name, 20)), side: "right", font: { size: 11 } },
    thickness: 10,
    outlinewidth: 0,
    tickvals: ticks.map(([share]) => share),
    ticktext: ticks.map(([, text]) => label(text)),
  };
}

/** The table of what is drawn: names of the runs, a column a dimension. */
export function fillTable(table, dimensions, runs) {
  const head = element("tr", {}, element("th", { scope: "col" }, "Run"), ...dimensions.map((each) => element("th", { scope: "col" }, each.name)));
  const rows = runs.map((run, at) => {
    const name = element("th", { scope: "row", class: "fw-normal" }, element("a", { href: run.url, class: "text-reset" }, run.name));
    return element("tr", {}, name, ...dimensions.map((each) => element("td", { class: "font-monospace" }, each.text(at))));
  });
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}
