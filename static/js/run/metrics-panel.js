// The metrics tab: a chart a metric, the summary of each, and everything logged that is no series of numbers.

import { MetricChart } from "./chart.js";
import { element, number } from "./format.js";
import { api } from "./http.js";
import { onThemeChange } from "./theme.js";
import { showValues } from "./values.js";

const POINTS = 1000;
const ALL_POINTS = 100_000;
const EVERY = 1000; // ms between two looks at the series while the run goes on
const NAMES_AT_ONCE = 20;
const MOST_VALUES = 2000;

export class MetricsPanel {
  #page;
  #at = {};
  #charts = new Map();
  #summaries = [];
  #shown = false;
  #busy = false;
  #last = 0;
  #timer = 0;
  #valuesKey = "";
  #observer = new IntersectionObserver((seen) => this.#onSeen(seen), { rootMargin: "300px 0px" });

  constructor(panel, page, stream) {
    this.#page = page;
    for (const part of panel.querySelectorAll("[data-metrics]")) this.#at[part.dataset.metrics] = part;
    for (const control of ["axis", "log", "smoothing"]) {
      this.#at[control].addEventListener("input", () => this.#redraw());
    }
    this.#at.filter.addEventListener("input", () => this.#filter());
    this.#at.csv.addEventListener("click", () => this.#saveSummary());
    stream.addEventListener("metrics", (event) => this.#onSummaries(event.detail.summaries));
    onThemeChange(() => this.#redraw());
  }

  /** Called when the tab is shown. */
  async show() {
    this.#shown = true;
    await this.refresh();
    for (const chart of this.#charts.values()) if (chart.series) Plotly.Plots.resize(chart.plot);
  }

  /** Everything once more: when the tab opens, and when the run is final. */
  async refresh() {
    if (!this.#shown) return;
    try {
      const answer = await api(`${this.#page.api}metrics/`);
      this.#take(answer);
      await this.#loadValues();
      this.#at.problem.hidden = true;
    } catch (error) {
      this.#at.problem.textContent = `The metrics could not be read: ${error.message}`;
      this.#at.problem.hidden = false;
    }
    await this.#loadSeries();
  }

  // An event tells counts and last values, which is little; the curves on the screen are asked for at a bounded pace.
  #onSummaries(summaries) {
    if (!this.#shown) return;
    const former = new Map(this.#summaries.map((summary) => [summary.name, summary]));
    this.#take(summaries.map((summary) => ({ ...former.get(summary.name), ...summary })));
    this.#soon();
  }

  #soon() {
    if (this.#timer) return;
    this.#timer = setTimeout(async () => {
      this.#timer = 0;
      await this.#loadSeries();
      await this.#loadValues().catch(() => {}); // the next event tries again
    }, Math.max(0, this.#last + EVERY - Date.now()));
  }

  #take(summaries) {
    this.#summaries = summaries;
    for (const summary of summaries) {
      if (summary.count < 2 || this.#charts.has(summary.name)) continue;
      const chart = new MetricChart(summary.name, { csv: (name) => this.#saveSeries(name) });
      this.#charts.set(summary.name, chart);
      this.#at.charts.append(chart.element);
      this.#observer.observe(chart.element);
    }
    this.#tellSummaries();
    this.#filter();
  }

  #onSeen(seen) {
    for (const { target, isIntersecting } of seen) this.#charts.get(target.dataset.metric).visible = isIntersecting;
    this.#soon();
  }

  async #loadSeries() {
    if (this.#busy || document.hidden) return;
    const counts = new Map(this.#summaries.map((summary) => [summary.name, summary.count]));
    const stale = [...this.#charts.values()].filter((chart) => chart.visible && chart.count !== counts.get(chart.name));
    if (!stale.length || !this.#at.charts.offsetParent) return;
    this.#busy = true;
    this.#last = Date.now();
    let failed = false;
    try {
      for (let at = 0; at < stale.length; at += NAMES_AT_ONCE) {
        const names = stale.slice(at, at + NAMES_AT_ONCE).map((chart) => chart.name);
        const curves = await this.#fetchSeries(names, POINTS);
        for (const name of names) if (curves[name]) this.#charts.get(name).draw(curves[name], this.#view());
      }
    } catch {
      failed = true;
    }
    this.#busy = false;
    if (failed) {
      this.#last = Date.now() + 2 * EVERY;
      this.#soon();
    }
  }

  async #fetchSeries(names, points) {
    const query = new URLSearchParams([...names.map((name) => ["name", name]), ["points", points]]);
    return api(`${this.#page.api}metrics/series/?${query}`);
  }

  #view() {
    const { axis, log, smoothing } = this.#at;
    return { axis: axis.value, log: log.checked, weight: Number(smoothing.value) };
  }

  #redraw() {
    const view = this.#view();
    this.#at.weight.textContent = view.weight ? view.weight.toFixed(2) : "off";
    for (const chart of this.#charts.values()) if (chart.series) chart.draw(chart.series, view);
  }

  #filter() {
    const words = this.#at.filter.value.toLowerCase();
    for (const chart of this.#charts.values()) chart.element.hidden = !chart.name.toLowerCase().includes(words);
    for (const row of this.#at.summary.rows) row.hidden = !row.dataset.name.toLowerCase().includes(words);
  }

  #tellSummaries() {
    const rows = this.#summaries.map((summary) => {
      const numbers = [summary.last, summary.least, summary.most, summary.mean, summary.count].map((value) =>
        element("td", { class: "text-end font-monospace" }, number(value)),
      );
      const name = element("th", { scope: "row", class: "text-break fw-normal", title: summary.description || null }, summary.name);
      return element("tr", { "data-name": summary.name }, name, ...numbers);
    });
    this.#at.summary.replaceChildren(...rows);
    this.#tellWhatIsThere();
  }

  async #loadValues() {
    const values = await this.#fetchValues();
    const key = JSON.stringify(values);
    if (key === this.#valuesKey) return;
    this.#valuesKey = key;
    const imageUrl = (path) => `${this.#page.api}artifacts/content/?${new URLSearchParams({ path })}`;
    showValues(this.#at.values, values, imageUrl);
    this.#tellWhatIsThere();
  }

  async #fetchValues() {
    const values = [];
    let query = "?page_size=500";
    while (query && values.length < MOST_VALUES) {
      const page = await api(`${this.#page.api}values/${query}`);
      values.push(...page.results);
      query = page.next && new URL(page.next, location.href).search;
    }
    return values;
  }

  #tellWhatIsThere() {
    const { empty, summaryCard, values, controls } = this.#at;
    empty.hidden = this.#summaries.length > 0 || values.children.length > 0;
    summaryCard.hidden = this.#summaries.length === 0;
    controls.hidden = this.#summaries.length === 0;
    for (const control of controls.querySelectorAll("[data-for-charts]")) control.hidden = this.#charts.size === 0;
  }

  async #saveSeries(name) {
    const curve = (await this.#fetchSeries([name], ALL_POINTS))[name];
    const rows = curve.steps.map((step, at) => [step, new Date(curve.times[at] * 1000).toISOString(), curve.values[at]]);
    saveCsv(name, [["step", "time", "value"], ...rows]);
  }

  #saveSummary() {
    const columns = ["name", "last", "least", "most", "mean", "count"];
    saveCsv("metrics", [columns, ...this.#summaries.map((summary) => columns.map((column) => summary[column]))]);
  }
}

function saveCsv(name, rows) {
  // A cell that begins like a formula would be one in a spreadsheet: it is quoted as text there.
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+@\t\r-]/.test(value) && !/^-Infinity$/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const blob = new Blob([rows.map((row) => row.map(cell).join(",")).join("\r\n")], { type: "text/csv" });
  const link = element("a", { href: URL.createObjectURL(blob), download: `${name.replace(/[^\w.-]+/g, "_")}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
