// What a service answered, as people read it: the class or number of each row, probabilities as bars.

import { element, number } from "../run/format.js";

const MOST_ROWS = 20;
const MOST_BARS = 20;

/** Elements that show the answer to `method`; null when it is nothing that can be shown better than as JSON. */
export function readable(text, method, classes) {
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(answer) || !answer.length) return null;
  const rows = answer.slice(0, MOST_ROWS).map((row, place) => shown(row, method, classes, answer.length > 1 ? place + 1 : 0));
  if (rows.some((row) => row === null)) return null;
  const more = answer.length - MOST_ROWS;
  return more > 0 ? [...rows, element("div", { class: "text-secondary small" }, `and ${number(more)} more rows`)] : rows;
}

function shown(row, method, classes, place) {
  const title = place ? element("div", { class: "text-secondary small" }, `Row ${place}`) : null;
  if (!Array.isArray(row)) {
    if (row !== null && typeof row === "object") return null;
    return element("div", { class: "console-result" }, title, element("strong", {}, plain(row)));
  }
  if (row.some((value) => value !== null && typeof value === "object")) return null;
  const named = row.map((value, at) => [classes?.length === row.length ? String(classes[at]) : String(at + 1), value]);
  if (method !== "predict_proba") {
    return element("div", { class: "console-result" }, title, element("span", {}, row.map(plain).join(", ")));
  }
  const ranked = named.toSorted((one, other) => other[1] - one[1]);
  const bars = ranked.slice(0, MOST_BARS).map(([name, value], at) => bar(name, value, at === 0));
  const rest = ranked.length > MOST_BARS ? element("div", { class: "text-secondary small" }, `and ${ranked.length - MOST_BARS} less likely ones`) : null;
  return element("div", { class: "console-result" }, title, ...bars, rest);
}

function bar(name, value, isFirst) {
  const percent = Math.max(0, Math.min(100, 100 * value));
  const filled = element("div", { class: `progress-bar${isFirst ? "" : " bg-secondary"}` });
  filled.style.width = `${percent}%`;
  const text = `${percent >= 99.95 || percent < 0.05 ? number(percent) : percent.toFixed(1)} %`;
  return element(
    "div",
    { class: "console-bar-row" },
    element("span", { class: isFirst ? "fw-bold text-truncate" : "text-truncate", title: name }, name),
    element("div", { class: "progress", "aria-hidden": "true" }, filled),
    element("span", { class: "text-end" }, text),
  );
}

const plain = (value) => (typeof value === "number" ? number(value) : value === null ? "missing" : String(value));
