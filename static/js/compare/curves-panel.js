// The curves of the runs, a chart a metric, with one legend for all of them.

import { element } from "../run/format.js";
import { onThemeChange } from "../run/theme.js";
import { address } from "./address.js";
import { runLook } from "./colours.js";
import { AXIS_NAMES, ComparedChart } from "./chart.js";

const FIRST = 4; // charts, when nobody chose
const MOST = 20; // in one request of the API
const DRAWN = 30_000; // points of one chart, all runs together

export class CurvesPanel {
  #page;
  #comparison;
  #at = {};
  #charts = new Map();
  #curves = {}; // {metric: {uid: curve}}
  #seen = new Map(); // {uid: the revision of the run that its curves are of}
  #panel;
  #queue = Promise.resolve();

  constructor(panel, page, comparison) {
    this.#panel = panel;
    this.#page = page;
    this.#comparison = comparison;
    for (const part of panel.querySelectorAll("[data-curves]")) this.#at[part.dataset.curves] = part;
    this.#readView();
    for (const control of ["axis", "log", "smooth"]) this.#at[control].addEventListener("input", () => this.#onView());
    this.#at.metric.addEventListener("change", () => this.#add(this.#at.metric.value));
    this.#makeLegend();
    onThemeChange(() => this.#redraw());
  }

  async show() {
    await this.refresh();
    for (const chart of this.#charts.values()) if (chart.isDrawn) Plotly.Plots.resize(chart.plot);
  }

  /** What is not there yet, and the curves of runs that have changed. One after the other. */
  refresh() {
    if (!this.#panel.hidden) this.#queue = this.#queue.then(() => this.#load());
    return this.#queue;
  }

  async #load() {
    const { problem } = this.#at;
    try {
      const { runs, metrics } = await this.#comparison.values();
      this.#there = metrics.filter((metric) => metric.count.some((count) => count > 1)).map((metric) => [metric.name, metric.count.filter(Boolean).length]);
      const names = this.#chosen();
      this.#tell(names);
      await this.#fetch(names, runs);
      this.#redraw();
      const leftOut = metrics.flatMap(({ name, count }) => (this.#curves[name] ? runs.filter((run, at) => count[at] && !this.#curves[name][run.id]) : [])).length;
      problem.hidden = !leftOut;
      problem.textContent = `${leftOut} curve${leftOut === 1 ? " is" : "s are"} not drawn: together they have more points than one comparison reads (MLPORTAL_COMPARE_POINTS). Compare fewer runs, or take charts away.`;
    } catch (error) {
      problem.textContent = `The curves could not be read: ${error.message}`;
      problem.hidden = false;
    }
  }

  #there = [];

  #chosen() {
    const there = new Set(this.#there.map(([name]) => name));
    const asked = address.getAll("metric").filter((name) => there.has(name));
    if (asked.length) return asked.slice(0, MOST);
    return [...this.#there].sort(([, one], [, other]) => other - one).slice(0, FIRST).map(([name]) => name);
  }

  async #fetch(names, runs) {
    const changed = runs.filter((run) => this.#seen.get(run.id) !== run.revision).map((run) => run.id);
    const fresh = names.filter((name) => !this.#curves[name]);
    const known = names.filter((name) => this.#curves[name]);
    const points = Math.round(Math.min(1000, Math.max(50, DRAWN / Math.max(1, runs.length))));
    const wishes = [[fresh, runs.map((run) => run.id)], [known, changed]].filter(([some, uids]) => some.length && uids.length);
    for (const [some, uids] of wishes) {
      const answer = await this.#comparison.curves(some, points, uids);
      for (const name of some) this.#curves[name] = { ...this.#curves[name], ...answer.curves[name] };
    }
    // A chart that comes back later has to be asked for anew: its runs may have gone on meanwhile.
    for (const name of Object.keys(this.#curves)) if (!names.includes(name)) delete this.#curves[name];
    for (const run of runs) this.#seen.set(run.id, run.revision);
  }

  #tell(names) {
    const { controls, empty, metric, charts } = this.#at;
    empty.hidden = this.#there.length > 0;
    controls.hidden = this.#there.length === 0;
    const rest = this.#there.map(([name]) => name).filter((name) => !names.includes(name));
    const options = [element("option", { value: "" }, rest.length ? "choose a metric" : "all are here"), ...rest.map((name) => element("option", { value: name }, name))];
    if (document.activeElement !== metric) metric.replaceChildren(...options);
    metric.disabled = rest.length === 0 || names.length >= MOST;
    for (const [name, chart] of this.#charts) {
      if (names.includes(name)) continue;
      chart.element.remove();
      this.#charts.delete(name);
    }
    for (const name of names) {
      if (this.#charts.has(name)) continue;
      const chart = new ComparedChart(name, (gone) => this.#choose(this.#chosen().filter((each) => each !== gone)));
      this.#charts.set(name, chart);
      charts.append(chart.element);
    }
  }

  #add(name) {
    this.#at.metric.blur();
    if (name) this.#choose([...this.#chosen(), name]);
  }

  #choose(names) {
    address.set({ metric: names });
    this.refresh();
  }

  #readView() {
    const { axis, log, smooth } = this.#at;
    axis.value = AXIS_NAMES.includes(address.get("axis")) ? address.get("axis") : "step";
    log.checked = address.get("log") === "1";
    smooth.value = Number(address.get("smooth")) || 0;
    this.#tellWeight();
  }

  #onView() {
    const { axis, log, smooth } = this.#at;
    const weight = Number(smooth.value);
    address.set({ axis: axis.value === "step" ? "" : axis.value, log: log.checked ? "1" : "", smooth: weight ? String(weight) : "" });
    this.#tellWeight();
    this.#redraw();
  }

  #tellWeight() {
    const weight = Number(this.#at.smooth.value);
    this.#at.weight.textContent = weight ? weight.toFixed(2) : "off";
  }

  // The address has the shorter of two lists: `hide`, or `show` ("-" for none).
  #hidden() {
    const listed = (name) => address.get(name).split(",").filter(Boolean);
    const shown = new Set(listed("show"));
    return new Set(shown.size ? this.#page.runs.map((run) => run.uid).filter((uid) => !shown.has(uid)) : listed("hide"));
  }

  #hide(hidden) {
    const shown = this.#page.runs.map((run) => run.uid).filter((uid) => !hidden.has(uid));
    address.set(shown.length < hidden.size ? { hide: "", show: shown.join(",") || "-" } : { show: "", hide: [...hidden].join(",") });
    for (const button of this.#at.legend.querySelectorAll("[data-uid]")) button.setAttribute("aria-pressed", String(!hidden.has(button.dataset.uid)));
    this.#redraw();
  }

  #makeLegend() {
    const hidden = this.#hidden();
    const buttons = this.#page.runs.map(({ uid, name }, at) => {
      const swatch = element("span", { class: `run-swatch ${runLook(at)}`, "aria-hidden": "true" });
      const button = element("button", { class: "btn btn-sm btn-ghost-secondary", type: "button", "data-uid": uid, "aria-pressed": String(!hidden.has(uid)), title: name }, swatch, element("span", {}, name));
      button.addEventListener("click", () => this.#toggle(uid));
      return button;
    });
    const everything = (text, uids) => {
      const button = element("button", { class: "btn btn-sm", type: "button" }, text);
      button.addEventListener("click", () => this.#hide(new Set(uids)));
      return button;
    };
    const all = this.#page.runs.map((run) => run.uid);
    this.#at.legend.replaceChildren(everything("All", []), everything("None", all), ...buttons);
  }

  #toggle(uid) {
    const hidden = this.#hidden();
    if (!hidden.delete(uid)) hidden.add(uid);
    this.#hide(hidden);
  }

  #redraw() {
    if (this.#panel.hidden) return;
    const { axis, log, smooth } = this.#at;
    const view = { axis: axis.value, log: log.checked, weight: Number(smooth.value) };
    const hidden = this.#hidden();
    for (const [name, chart] of this.#charts) {
      const curves = this.#curves[name];
      if (!curves) continue;
      const lines = this.#page.runs.map((run, at) => ({ name: run.name, at, uid: run.uid, curve: curves[run.uid] }));
      chart.draw(lines.filter((line) => line.curve && !hidden.has(line.uid)), view);
    }
  }
}
