// What a chart shows, as a table: filled when somebody opens it.

import { element, number } from "../run/format.js";

export class NumbersTable {
  constructor(title) {
    this.body = element("div", { class: "table-responsive measure-numbers", tabindex: "0", role: "region", "aria-label": `Numbers: ${title}` });
    this.element = element("details", { class: "small px-2 pb-1" }, element("summary", {}, "Numbers", element("span", { class: "visually-hidden" }, ` of the chart ${title}`)), this.body);
    this.latest = null;
    this.element.addEventListener("toggle", () => this.fill());
  }

  /** `lines` = [{name, values}], a value or null for each of `times`, in seconds. */
  show(times, lines, unit) {
    this.latest = { times, lines, unit };
    this.fill();
  }

  fill() {
    if (!this.element.open || !this.latest) return;
    const { times, lines, unit } = this.latest;
    const known = times.map((_, at) => at).filter((at) => lines.some(({ values }) => values[at])).reverse();
    if (!known.length) return this.body.replaceChildren(element("p", { class: "text-secondary mb-0" }, "Nothing but zeros, or nothing at all."));
    const head = ["From", ...lines.map(({ name }) => (unit ? `${name}, ${unit}` : name))];
    const rows = known.map((at) => [new Date(times[at] * 1000).toLocaleString(), ...lines.map(({ values }) => number(rounded(values[at])))]);
    const place = (at) => ({ class: at ? "text-end" : "text-nowrap" });
    this.body.replaceChildren(
      element(
        "table",
        { class: "table table-sm mb-0" },
        element("thead", {}, element("tr", {}, ...head.map((text, at) => element("th", { scope: "col", ...place(at) }, text)))),
        element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((text, at) => element("td", place(at), text))))),
      ),
    );
  }
}

const rounded = (value) => (value ? Number(value.toPrecision(4)) : value);
