// One metric's chart: raw points faint, the smoothed line over them; redrawn in place, never rebuilt.

import { element } from "./format.js";
import { smooth } from "./smoothing.js";
import { layout, seriesColour } from "./theme.js";

const CONFIG = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false, // it would take the numbers to a service of plotly's
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
};

export class MetricChart {
  /** `actions` = {csv(name)}: what the buttons under the chart call. */
  constructor(name, actions) {
    this.name = name;
    this.count = 0;
    this.visible = false;
    this.series = null;
    this.plot = element("div", { class: "metric-plot", role: "group", "aria-label": `Chart of ${name}; its numbers are in the summary table` });
    this.note = element("span", { class: "text-secondary small me-auto" });
    const png = element("button", { class: "btn btn-sm btn-ghost-secondary", type: "button" }, "PNG");
    const csv = element("button", { class: "btn btn-sm btn-ghost-secondary", type: "button" }, "CSV");
    png.setAttribute("aria-label", `PNG: chart of ${name}`);
    csv.setAttribute("aria-label", `CSV: all points of ${name}`);
    png.addEventListener("click", () => this.#savePicture());
    csv.addEventListener("click", () => actions.csv(name));
    const title = element("h2", { class: "card-title text-truncate", title: name }, name);
    this.element = element(
      "div",
      { class: "col-lg-6 metric-card", "data-metric": name },
      element(
        "div",
        { class: "card h-100" },
        element("div", { class: "card-header" }, title),
        element("div", { class: "card-body p-2" }, this.plot),
        element("div", { class: "card-footer py-1 d-flex align-items-center" }, this.note, png, csv),
      ),
    );
  }

  /** `series` = {steps, times, values, count} of the API; `view` = {axis, log, weight}. */
  draw(series, view) {
    this.series = series;
    this.count = series.count;
    const values = series.values.map((value) => (typeof value === "number" ? value : null));
    const first = series.times[0];
    const x = view.axis === "time" ? series.times.map((time) => time - first) : series.steps;
    const colour = seriesColour();
    const lone = values.length < 60 ? "lines+markers" : "lines";
    const raw = {
      x, y: values, type: "scatter", mode: lone, name: "value",
      line: { color: colour, width: view.weight ? 1 : 2 }, marker: { size: 5 }, opacity: view.weight ? 0.3 : 1,
      hovertemplate: "%{y:.6~g}<extra>value</extra>",
    };
    const smoothed = {
      x, y: view.weight ? smooth(values, view.weight) : [], type: "scatter", mode: "lines", name: "smoothed",
      line: { color: colour, width: 2 }, hovertemplate: "%{y:.6~g}<extra>smoothed</extra>",
    };
    const look = layout({
      height: 260,
      margin: { l: 8, r: 12, t: 8, b: 36 },
      hovermode: "x unified",
      uirevision: `${view.axis}/${view.log}`, // live points do not undo a zoom
      xaxis: { title: { text: view.axis === "time" ? "seconds since the first point" : "step", font: { size: 11 } } },
      yaxis: { type: view.log ? "log" : "linear" },
    });
    Plotly.react(this.plot, [raw, smoothed], look, CONFIG);
    const gaps = series.values.length - values.filter((value) => value !== null).length;
    const thinned = series.values.length < series.count ? `, ${series.values.length.toLocaleString("en")} drawn` : "";
    const gone = gaps ? `, ${gaps} not finite` : "";
    const below = view.log && values.some((value) => value !== null && value <= 0) ? ", 0 and below have no logarithm" : "";
    this.note.textContent = `${series.count.toLocaleString("en")} points${thinned}${gone}${below}`;
  }

  #savePicture() {
    const filename = this.name.replace(/[^\w.-]+/g, "_");
    Plotly.downloadImage(this.plot, { format: "png", width: 1200, height: 700, filename });
  }
}
