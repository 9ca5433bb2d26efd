// Any number of the runs against any other: a point a run, which leads to it.

import { label, layout } from "../run/theme.js";
import { colourOf, colourScale } from "./colours.js";
import { short } from "./dimensions.js";
import { barOf } from "./parallel.js";

const CONFIG = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"] };

/** `x`, `y` and `colour` are Dimensions; `runs` = [{name, url}]. Returns what is to be said below. */
export function drawScatter(box, x, y, colour, runs) {
  const there = runs.map((_, at) => at).filter((at) => x.numbers[at] !== null && y.numbers[at] !== null);
  const ofRun = (at) => [runs[at].name, ...[x, y, colour].map((each) => `${short(each.name)}: ${each.text(at)}`)].map((text) => label(short(text, 90)));
  const points = {
    type: "scatter",
    mode: "markers",
    x: there.map((at) => x.numbers[at]),
    y: there.map((at) => y.numbers[at]),
    customdata: there.map((at) => runs[at].url),
    text: there.map((at) => [...new Set(ofRun(at))].join("<br>")),
    hovertemplate: "%{text}<extra></extra>",
    marker: { size: 11, opacity: 0.9, color: there.map((at) => colourOf(colour.share(at))) },
  };
  const bar = {
    type: "scatter", mode: "markers", x: [null], y: [null], hoverinfo: "skip",
    marker: { color: [0], cmin: 0, cmax: 1, colorscale: colourScale(), showscale: true, colorbar: barOf(colour, colour.ticks()) },
  };
  const look = layout({ height: 380, margin: { l: 8, r: 12, t: 32, b: 40 }, hovermode: "closest", xaxis: axisOf(x), yaxis: axisOf(y), uirevision: `${x.key}/${y.key}` });
  Plotly.react(box, [points, bar], look, CONFIG);
  if (!box.dataset.leads) box.on("plotly_click", ({ points: [point] }) => point.customdata && location.assign(point.customdata));
  box.dataset.leads = "1";
  const gone = runs.length - there.length;
  return gone ? `${gone} run${gone === 1 ? " has" : "s have"} no number for both axes and ${gone === 1 ? "is" : "are"} not drawn.` : "A click on a point opens its run.";
}

function axisOf(dimension) {
  const title = { text: label(short(dimension.name, 60)), font: { size: 11 } };
  if (!dimension.categories) return { title, type: dimension.isLog ? "log" : "linear" };
  return {
    title,
    type: "linear",
    tickvals: dimension.categories.map((_, at) => at),
    ticktext: dimension.categories.map((text) => label(short(text))),
    range: [-0.5, dimension.categories.length - 0.5],
  };
}
