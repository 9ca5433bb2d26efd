// The charts of what Azure ML calls accuracy tables, predictions and residuals, by the schemas of its SDK v1.

import { element } from "./format.js";
import { label, layout, onThemeChange, seriesColour } from "./theme.js";

const CONFIG = { responsive: true, displayModeBar: false };
const CURVES = { accuracy_table: roc, predictions, residuals };

/** A box with the chart, which draws itself when it is on the page; null when the data are not of the schema's shape. */
export function curveOf(kind, data, name) {
  const chart = data && CURVES[kind]?.(data);
  if (!chart) return null;
  const box = element("div", { class: "value-plot", role: "group", "aria-label": `Chart of ${name}; its numbers are in the JSON below` });
  const draw = () => {
    if (!box.isConnected) return;
    const { traces, x, y, ...more } = chart(seriesColour());
    const axes = { xaxis: { title: { text: x, font: { size: 11 } } }, yaxis: { title: { text: y, font: { size: 11 } } } };
    Plotly.react(box, traces, layout({ height: 280, margin: { l: 8, r: 12, t: 12, b: 40 }, ...axes, ...more }), CONFIG);
  };
  requestAnimationFrame(draw);
  onThemeChange(draw);
  return box;
}

const areNumbers = (...lists) => lists.every((list) => Array.isArray(list) && list.length > 0 && list.every(Number.isFinite));

// How often the model was off by how much: bin_counts[i] between bin_edges[i] and bin_edges[i + 1].
function residuals({ bin_edges: edges, bin_counts: counts }) {
  if (!areNumbers(edges, counts) || edges.length !== counts.length + 1) return null;
  const x = counts.map((_, at) => (edges[at] + edges[at + 1]) / 2);
  const width = counts.map((_, at) => edges[at + 1] - edges[at]);
  const hovertext = counts.map((count, at) => `${count} between ${edges[at]} and ${edges[at + 1]}`);
  return (color) => ({
    traces: [{ type: "bar", x, y: counts, width, marker: { color, line: { width: 1 } }, hovertext, hoverinfo: "text" }],
    x: "residual",
    y: "count",
    bargap: 0,
  });
}

// What the model said on average for each bin of true values, with the standard deviation, and the line of no error.
function predictions({ bin_edges: edges, bin_averages: averages, bin_errors: errors }) {
  if (!areNumbers(edges, averages, errors) || averages.length !== errors.length) return null;
  if (![averages.length, averages.length + 1].includes(edges.length)) return null;
  const x = averages.map((_, at) => (edges.length > averages.length ? (edges[at] + edges[at + 1]) / 2 : edges[at]));
  const ends = [Math.min(...x), Math.max(...x)];
  return (color) => ({
    traces: [
      { type: "scatter", mode: "lines", x: ends, y: ends, line: { dash: "dot", width: 1, color: "#8a8a8a" }, hoverinfo: "skip" },
      { type: "scatter", mode: "markers", x, y: averages, error_y: { array: errors, color }, marker: { color, size: 7 }, name: "predicted" },
    ],
    x: "true value",
    y: "predicted",
  });
}

// ROC, a line a class: probability_tables[class][threshold] = [true positives, false positives, true negatives, false negatives].
function roc({ probability_tables: tables, class_labels: labels }) {
  const isTable = (table) => Array.isArray(table) && table.every((row) => areNumbers(row) && row.length === 4);
  if (!Array.isArray(tables) || !tables.length || !tables.every(isTable)) return null;
  const share = (part, rest) => (part + rest ? part / (part + rest) : 0);
  const lines = tables.map((table, at) => ({
    type: "scatter",
    mode: "lines+markers",
    name: label(labels?.[at] ?? at),
    x: table.map(([, fp, tn]) => share(fp, tn)),
    y: table.map(([tp, , , fn]) => share(tp, fn)),
  }));
  const chance = { type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], line: { dash: "dot", width: 1, color: "#8a8a8a" }, hoverinfo: "skip", showlegend: false };
  return () => ({ traces: [chance, ...lines], x: "false positive rate", y: "true positive rate", showlegend: true, legend: { x: 1, xanchor: "right", y: 0 } });
}
