// One metric of all the runs in one chart, redrawn in place.

import { element } from "../run/format.js";
import { smooth } from "../run/smoothing.js";
import { label, layout } from "../run/theme.js";
import { runLine } from "./colours.js";

const CONFIG = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false, // it would take the numbers to a service of plotly's
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
};
const AXES = {
  step: { title: "step", of: (curve) => curve.steps },
  relative: { title: "seconds since the first point", of: ({ times }) => times.map((time) => time - times[0]) },
  wall: { title: "", of: ({ times }) => times.map((time) => new Date(time * 1000).toISOString().slice(0, -1)) },
};
const UNIFIED = 8; // lines, beyond which a hover that names all of them covers the chart

export const AXIS_NAMES = Object.keys(AXES);

export class ComparedChart {
  /** `remove(name)` is called by the button in its corner. */
  constructor(name, remove) {
    this.name = name;
    this.plot = element("div", { class: "compare-plot", role: "group", "aria-label": `Chart of ${name} in all runs; its last, lowest and highest values are under Values` });
    this.note = element("span", { class: "text-secondary small" });
    const close = element("button", { class: "btn-close", type: "button", "aria-label": `Take the chart of ${name} away`, title: "Take it away" });
    close.addEventListener("click", () => remove(name));
    const title = element("h2", { class: "card-title text-truncate", title: name }, name);
    const header = element("div", { class: "card-header flex-nowrap" }, title, element("div", { class: "card-actions" }, close));
    const footer = element("div", { class: "card-footer py-1" }, this.note);
    const card = element("div", { class: "card h-100" }, header, element("div", { class: "card-body p-2" }, this.plot), footer);
    this.element = element("div", { class: "col-xl-6 metric-card", "data-metric": name }, card);
  }

  /** `lines` = [{name, at, curve}] of the runs that are drawn; `view` = {axis, log, weight}. */
  draw(lines, view) {
    const axis = AXES[view.axis];
    const drawn = lines.map(({ name, at, curve }) => this.#trace(name, at, axis.of(curve), curve.values, view.weight));
    const look = layout({
      height: 320,
      margin: { l: 8, r: 12, t: 8, b: 36 },
      hovermode: lines.length > UNIFIED ? "closest" : "x unified",
      uirevision: `${view.axis}/${view.log}`,
      xaxis: { type: view.axis === "wall" ? "date" : "linear", title: { text: axis.title, font: { size: 11 } } },
      yaxis: { type: view.log ? "log" : "linear" },
    });
    Plotly.react(this.plot, drawn, look, CONFIG);
    this.isDrawn = true;
    this.note.textContent = noteOf(lines, view.log);
  }

  #trace(name, at, x, values, weight) {
    const numbers = values.map((value) => (typeof value === "number" ? value : null));
    return {
      x,
      y: weight ? smooth(numbers, weight) : numbers,
      type: "scatter",
      mode: numbers.length < 60 ? "lines+markers" : "lines",
      name: label(name),
      line: { ...runLine(at), width: 1.75 },
      marker: { size: 4 },
      hoverlabel: { namelength: 40 },
      hovertemplate: "%{y:.6~g}<extra>%{fullData.name}</extra>",
    };
  }
}

function noteOf(lines, log) {
  const points = lines.reduce((sum, { curve }) => sum + curve.count, 0);
  const drawn = lines.reduce((sum, { curve }) => sum + curve.values.length, 0);
  const values = lines.flatMap(({ curve }) => curve.values);
  const odd = values.filter((value) => typeof value !== "number").length;
  const low = log && values.some((value) => typeof value === "number" && value <= 0);
  return [
    `${lines.length} run${lines.length === 1 ? "" : "s"}, ${points.toLocaleString("en")} points`,
    drawn < points && `${drawn.toLocaleString("en")} drawn`,
    odd && `${odd} not finite`,
    low && "0 and below have no logarithm",
  ].filter(Boolean).join(", ");
}
