// One chart of a service's measurements, redrawn in place.

import { element } from "../run/format.js";
import { isDark, label, layout } from "../run/theme.js";
import { NumbersTable } from "./numbers.js";

export const CONFIG = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false, // it would take the numbers to a service of plotly's
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
};
// Okabe and Ito's, as everywhere here; the first of each pair is for the light.
const COLOURS = [["#0072B2", "#4AA3E0"], ["#E69F00", "#E69F00"], ["#009E73", "#1FC29A"], ["#CC79A7", "#E39CC4"], ["#56B4E9", "#8FD0F5"], ["#D55E00", "#FF8A3C"], ["#7F7F7F", "#B0B0B0"]];
const DASHES = ["solid", "dash", "dot", "dashdot"];

/** What is drawn: `lines(answer, line)` = [{name, values}] of the API's answer and of the version that is chosen. */
export const CHARTS = [
  {
    title: "Requests per second",
    hover: "%{y:.3~g}",
    lines: (answer, line) => (line.version === null && answer.series.length > 2 ? answer.series : [line]).map((one) => ({ name: one.version ?? "all", values: one.requests })),
  },
  {
    title: "Errors per second, by status",
    isNamed: true, // a single line says which status it is, too
    hover: "%{y:.3~g}",
    lines: (_, line) => {
      const errors = Object.entries(line.statuses).filter(([status]) => status >= 400);
      return errors.length ? errors.map(([name, values]) => ({ name, values })) : [{ name: "errors", values: line.errors }];
    },
  },
  {
    title: "Latency",
    unit: "ms",
    hover: "%{y:.3~g} ms",
    lines: (_, line) => [["median", line.p50], ["95 %", line.p95], ["99 %", line.p99]].map(([name, values]) => ({ name, values: values.map((value) => (value === null ? null : value * 1000)) })),
  },
  {
    title: "Calls of the model",
    hover: "%{y:.3~g}",
    lines: (_, line) => [["rows in a call", line.batch_rows], ["requests in a call", line.batch_requests], ["most rows", line.largest_batch]].map(([name, values]) => ({ name, values })),
  },
  {
    title: "Other requests inside at once",
    hover: "%{y:.3~g}",
    lines: (_, line) => [["on average", line.waiting], ["most", line.most_waiting]].map(([name, values]) => ({ name, values })),
  },
  {
    title: "Memory of the replicas, the most so far",
    isOfReplicas: true,
    unit: "MB",
    hover: "%{y:,.0f} MB",
    lines: (answer, line) => answer.replicas.filter((one) => line.version === null || one.version === line.version).map((one) => ({ name: `${one.version} · ${one.replica}`, values: one.memory_bytes.map((value) => (value === null ? null : value / 1e6)) })),
  },
];

export class MeasureChart {
  constructor(about) {
    this.about = about;
    this.plot = element("div", { class: "measure-plot", role: "group", "aria-label": `Chart: ${about.title}; its numbers are below it` });
    this.numbers = new NumbersTable(about.title);
    const title = element("h2", { class: "card-title" }, about.title);
    const body = element("div", { class: "card-body p-2" }, this.plot, this.numbers.element);
    this.element = element("div", { class: "col-lg-6" }, element("div", { class: "card h-100" }, element("div", { class: "card-header" }, title), body));
  }

  /** `answer` is the API's, `line` the one of its series that is chosen. */
  draw(answer, line) {
    const x = answer.times.map((time) => local(time));
    const lines = this.about.lines(answer, line);
    const most = Math.max(0, ...lines.flatMap(({ values }) => values.map(Number)));
    const traces = lines.map(({ name, values }, at) => ({
      x,
      y: values,
      type: "scatter",
      mode: "lines+markers",
      marker: { size: values.map((_, place) => (isAlone(values, place) ? 6 : 0)), color: shade(COLOURS[at % COLOURS.length]) },
      name: label(name),
      line: { color: shade(COLOURS[at % COLOURS.length]), width: 1.75, dash: DASHES[Math.floor(at / COLOURS.length) % DASHES.length] },
      hovertemplate: `${this.about.hover}<extra>%{fullData.name}</extra>`,
      hoverlabel: { namelength: 30 },
    }));
    const look = layout({
      height: 260,
      margin: { l: 8, r: 12, t: 8, b: 28 },
      hovermode: "x unified",
      showlegend: lines.length > 1 || Boolean(this.about.isNamed && most),
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      uirevision: `${x[0]}`.slice(0, 10) + answer.step, // what is new does not undo a zoom
      xaxis: { type: "date", range: [x[0], local((answer.times.at(-1) ?? 0) + answer.step)] },
      yaxis: { rangemode: "tozero", ticksuffix: this.about.unit ? ` ${this.about.unit}` : "", tickformat: "~s" },
    });
    if (this.about.unit || most < 2) look.yaxis.tickformat = ",~g"; // "~s" would write 0.8 as 800m
    Plotly.react(this.plot, traces, look, CONFIG);
    this.numbers.show(answer.times, lines, this.about.unit ?? "");
  }
}

/** Whether no line leads to the point: it would not be seen. */
const isAlone = (values, at) => values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;

/** A moment on the clock of who reads: plotly knows no time zones. */
export function local(seconds) {
  const moment = new Date(seconds * 1000);
  return new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
}

const shade = (pair) => pair[isDark() ? 1 : 0];
