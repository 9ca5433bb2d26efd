// The figures above the charts.

import { element, number } from "../run/format.js";

/** Seconds as people read them: three digits, in the unit that fits. */
export function lapse(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const [value, unit] = seconds < 1e-3 ? [seconds * 1e6, "µs"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
  return `${Number(value.toPrecision(3))} ${unit}`;
}

/** Elements of a <dl> that say what `total` of the API is. */
export function figures(total) {
  const share = total.requests ? total.errors / total.requests : 0;
  const percent = share && share < 0.0005 ? "< 0.1 %" : `${Number((share * 100).toFixed(1))} %`;
  return [
    ["Requests", number(total.requests)],
    ["Errors", total.requests ? `${number(total.errors)} (${percent})` : "–", share >= 0.01],
    ["Median latency", lapse(total.p50)],
    ["95th percentile", lapse(total.p95)],
    ["99th percentile", lapse(total.p99)],
    ["Rows", number(total.rows)],
    ["Rows in a call", total.batch_rows === null ? "–" : String(Number(total.batch_rows.toPrecision(3)))],
    ["Others inside", number(total.most_waiting)],
  ].map(([name, text, bad]) => element("div", { class: bad ? "is-bad" : null }, element("dt", {}, name), element("dd", {}, text)));
}
