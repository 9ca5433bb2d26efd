// The page that watches a service: what the address says is shown, and kept up to date.

import { address } from "../compare/address.js";
import { api } from "../run/http.js";
import { onThemeChange } from "../run/theme.js";
import "./accuracy.js";
import { CHARTS, MeasureChart } from "./charts.js";
import { figures } from "./figures.js";

const SHORT = 10_000; // ms between two looks at minutes; what is measured comes in pieces of ten seconds
const LONG = 60_000; // … at days

const page = JSON.parse(document.getElementById("monitoring-data").textContent);
const at = {};
for (const part of document.querySelectorAll("[data-monitoring]")) at[part.dataset.monitoring] = part;
const charts = CHARTS.map((about) => new MeasureChart(about));
let shown = null;
let timer = 0;
let asked = 0;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-range]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  history.pushState(null, "", address.with({ range: link.dataset.range, from: "", to: "" }));
  refresh();
});
at.version.addEventListener("change", () => {
  address.set({ version: at.version.value });
  draw();
});
window.addEventListener("popstate", refresh);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !timer) refresh();
});
onThemeChange(draw);
at.charts.append(...charts.map((chart) => chart.element));
refresh();

/** {from, to} of the address as the API takes them; `to` is left out where time goes on. */
function span() {
  const [from, to] = [address.get("from"), address.get("to")];
  if (from || to) return { ...(from && { from }), ...(to && { to }) };
  const seconds = page.ranges[address.get("range")] ?? page.ranges[page.usual];
  return { from: new Date(Date.now() - seconds * 1000).toISOString(), seconds };
}

async function refresh() {
  clearTimeout(timer);
  timer = 0;
  const { seconds, ...query } = span();
  markRange();
  asked += 1;
  const mine = asked;
  try {
    const answer = await api(`${page.api}metrics/?${new URLSearchParams(query)}`);
    if (mine !== asked) return; // another time was chosen meanwhile
    shown = answer;
    at.problem.hidden = true;
    draw();
  } catch (error) {
    if (mine !== asked) return;
    at.problem.textContent = `The measurements could not be read: ${error.message}`;
    at.problem.hidden = false;
  }
  if (!query.to) timer = setTimeout(() => (document.hidden ? (timer = 0) : refresh()), seconds > 3600 ? LONG : SHORT);
}

function markRange() {
  const fixed = address.get("from") || address.get("to");
  const range = fixed ? "" : address.get("range") in page.ranges ? address.get("range") : page.usual;
  for (const link of document.querySelectorAll("a[data-range]")) {
    link.classList.toggle("active", link.dataset.range === range);
    if (link.dataset.range === range) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function draw() {
  if (!shown) return;
  const versions = shown.series.map((line) => line.version).filter((version) => version !== null);
  offer(versions);
  const line = shown.series.find((one) => one.version === (at.version.value || null)) ?? shown.series[0];
  const isQuiet = shown.total.requests === 0; // its replicas have their memory all the same
  at.empty.hidden = !isQuiet;
  at.figures.hidden = isQuiet;
  at.figures.replaceChildren(...figures(shown.total));
  for (const chart of charts) {
    chart.element.hidden = isQuiet && !(chart.about.isOfReplicas && shown.replicas.length);
    if (!chart.element.hidden) chart.draw(shown, line);
  }
  at.note.textContent = `Steps of ${lasting(shown.step)}, until ${new Date(shown.to).toLocaleTimeString()}`;
}

function offer(versions) {
  const wanted = address.get("version");
  const names = ["", ...versions];
  if (wanted && !versions.includes(wanted)) names.push(wanted);
  const now = [...at.version.options].map((option) => option.value);
  if (String(names) !== String(now)) {
    at.version.replaceChildren(...names.map((name) => new Option(name || "all together", name)));
  }
  at.version.value = wanted;
  at.versions.hidden = versions.length < 2 && !wanted;
}

function lasting(seconds) {
  const [unit, name] = seconds % 3600 === 0 ? [3600, "h"] : seconds % 60 === 0 ? [60, "min"] : [1, "s"];
  return `${seconds / unit} ${name}`;
}
