// Parallel coordinates and the scatter plot: what is drawn is chosen, and is in the address.

import { element } from "../run/format.js";
import { onThemeChange } from "../run/theme.js";
import { address } from "./address.js";
import { Brushes, brushesOf, remaining } from "./brushes.js";
import { dimensionsOf } from "./dimensions.js";
import { drawParallel, fillTable } from "./parallel.js";
import { drawScatter } from "./scatter.js";

const FIRST = 5; // axes, when nobody chose
const MOST = 12;
const NAMED = 10; // runs that are named below the chart
const STATISTICS = ["last", "min", "max", "best"];

export class PlotsPanel {
  #page;
  #comparison;
  #at = {};
  #values = null;
  #brushes;
  #panel;

  constructor(panel, page, comparison) {
    this.#panel = panel;
    this.#page = page;
    this.#comparison = comparison;
    for (const part of panel.querySelectorAll("[data-plots]")) this.#at[part.dataset.plots] = part;
    for (const name of ["x", "y", "colour"]) this.#at[name].addEventListener("change", () => this.#set({ [name]: this.#at[name].value }));
    this.#at.value.value = STATISTICS.includes(address.get("of")) ? address.get("of") : "last";
    this.#at.value.addEventListener("change", () => this.#set({ of: this.#at.value.value === "last" ? "" : this.#at.value.value }));
    this.#at.axis.addEventListener("change", () => this.#addAxis(this.#at.axis.value));
    this.#brushes = new Brushes(this.#at.parallel, this.#at.sliders, () => this.#draw());
    this.#at.clear.addEventListener("click", () => {
      this.#set({ brush: "" });
      this.#at.ranges.querySelector("summary").focus();
    });
    onThemeChange(() => this.#draw());
  }

  async show() {
    await this.refresh();
    for (const plot of this.#panel.querySelectorAll(".js-plotly-plot")) Plotly.Plots.resize(plot);
  }

  async refresh() {
    if (this.#panel.hidden) return;
    const { problem } = this.#at;
    try {
      this.#values = await this.#comparison.values();
      problem.hidden = true;
    } catch (error) {
      problem.textContent = `The numbers could not be read: ${error.message}`;
      problem.hidden = false;
    }
    this.#draw();
  }

  #set(changes) {
    address.set(changes);
    this.#draw();
  }

  #addAxis(key) {
    this.#at.axis.blur();
    if (key) this.#set({ dim: [...this.#axes(this.#dimensions()).map((axis) => axis.key), key] });
  }

  #dimensions() {
    return dimensionsOf(this.#values, this.#at.value.value);
  }

  #axes(dimensions) {
    const asked = address.getAll("dim").map((key) => dimensions.find((each) => each.key === key)).filter(Boolean);
    if (asked.length) return asked.slice(0, MOST);
    const first = (kind, most) => byWorth(dimensions).filter((each) => each.kind === kind).slice(0, most);
    const parameters = first("parameter", FIRST - 2);
    const found = [...parameters, ...first("metric", FIRST - parameters.length)];
    return found.length ? found : dimensions;
  }

  #one(name, dimensions, usual) {
    return dimensions.find((each) => each.key === address.get(name)) ?? usual;
  }

  #draw() {
    if (this.#panel.hidden || !this.#values) return;
    const dimensions = this.#dimensions();
    const isEmpty = this.#page.runs.length < 2 || dimensions.length === 0;
    this.#at.empty.hidden = !isEmpty;
    this.#at.cards.hidden = this.#at.controls.hidden = isEmpty;
    if (isEmpty) return;
    const axes = this.#axes(dimensions);
    const metric = byWorth(dimensions).find((each) => each.kind === "metric") ?? dimensions[0];
    const colour = this.#one("colour", dimensions, metric);
    const x = this.#one("x", dimensions, axes.find((each) => each !== metric) ?? metric);
    const y = this.#one("y", dimensions, metric);
    this.#choices({ x, y, colour }, dimensions, axes);
    const brushes = brushesOf(axes);
    const kept = remaining(axes, brushes, this.#page.runs.length);
    this.#at.parallelNote.textContent = drawParallel(this.#at.parallel, axes, colour, this.#page.runs.map((run) => run.name), brushes, kept);
    this.#brushes.show(axes, brushes);
    this.#tellKept(kept, Object.keys(brushes).length > 0);
    this.#at.scatterNote.textContent = drawScatter(this.#at.scatter, x, y, colour, this.#page.runs);
    fillTable(this.#at.table, [...new Set([...axes, x, y, colour])], this.#page.runs);
  }

  /** How many runs are inside of all ranges, which, and the way to compare these alone. */
  #tellKept(kept, isBrushed) {
    const { runs } = this.#page;
    this.#at.kept.hidden = !isBrushed;
    if (!isBrushed) return;
    this.#at.keptCount.textContent = `${kept.length} of ${runs.length} runs`;
    const links = kept.slice(0, NAMED).flatMap((at, place) => [place ? ", " : "", element("a", { href: runs[at].url }, runs[at].name)]);
    const more = kept.length - NAMED;
    this.#at.keptRuns.replaceChildren(...links, more > 0 ? ` and ${more} more` : "");
    const isLess = kept.length > 0 && kept.length < runs.length;
    this.#at.keep.hidden = !isLess;
    if (isLess) this.#at.keep.href = location.pathname + address.with({ runs: kept.map((at) => runs[at].uid).join(","), brush: "" }) + location.hash;
  }

  #choices(chosen, dimensions, axes) {
    for (const [name, dimension] of Object.entries(chosen)) {
      const select = this.#at[name];
      if (document.activeElement === select && select.options.length) continue; // somebody is choosing
      select.replaceChildren(...groups(dimensions));
      select.value = dimension.key;
    }
    const rest = dimensions.filter((each) => !axes.includes(each));
    if (document.activeElement !== this.#at.axis) this.#at.axis.replaceChildren(element("option", { value: "" }, rest.length ? "choose one" : "all are here"), ...groups(rest));
    this.#at.axis.disabled = rest.length === 0 || axes.length >= MOST;
    const focused = document.activeElement?.dataset?.axisKey;
    this.#at.axes.replaceChildren(...axes.map((axis) => this.#chip(axis, axes)));
    if (focused !== undefined) (this.#at.axes.querySelector("button") ?? this.#at.axis).focus();
  }

  #chip(axis, axes) {
    const button = element("button", { class: "btn btn-sm", type: "button", "data-axis-key": axis.key, "aria-label": `Take the axis ${axis.name} away`, title: axis.name }, element("span", {}, axis.name), element("span", { class: "ms-1", "aria-hidden": "true" }, "×"));
    button.disabled = axes.length === 1;
    button.addEventListener("click", () => this.#set({ dim: axes.filter((each) => each !== axis).map((each) => each.key) }));
    return button;
  }
}

/** Those that tell runs apart first, and of these those that most runs have. */
function byWorth(dimensions) {
  const worth = (each) => (each.least === each.most ? 0 : each.numbers.filter((value) => value !== null).length);
  return [...dimensions].sort((one, other) => worth(other) - worth(one));
}

function groups(dimensions) {
  return [["metric", "Metrics"], ["parameter", "Parameters"], ["run", "Run"]].flatMap(([kind, label]) => {
    const options = dimensions.filter((each) => each.kind === kind).map((each) => element("option", { value: each.key }, each.name));
    return options.length ? [element("optgroup", { label }, ...options)] : [];
  });
}
