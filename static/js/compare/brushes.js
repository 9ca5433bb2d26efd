// Ranges on the axes of the parallel coordinates: drawn along an axis with the pointer, or set by two sliders for each.
// They are in the address as `brush=<axis>~<low>~<high>`, in shares of the axis.

import { element } from "../run/format.js";
import { address } from "./address.js";
import { short } from "./dimensions.js";

const STEP = 0.01;
const NEAR = 28; // pixels beside an axis that still mean it
const LEAST = 0.02; // a shorter one is a click: it takes the range away

/** {key: [low, high]} of those axes that have a range. */
export function brushesOf(axes) {
  const found = {};
  for (const text of address.getAll("brush")) {
    const [low, high] = text.split("~").slice(-2).map(Number);
    const key = text.split("~").slice(0, -2).join("~");
    if (axes.some((axis) => axis.key === key) && low >= 0 && high <= 1 && low <= high) found[key] = [low, high];
  }
  return found;
}

/** Which runs are inside of every range; one without a number on such an axis is not. */
export function remaining(axes, brushes, count) {
  const ranged = axes.filter((axis) => axis.key in brushes);
  const isIn = (axis, at) => {
    const share = axis.share(at);
    const [low, high] = brushes[axis.key];
    return share !== null && share >= low - STEP / 2 && share <= high + STEP / 2;
  };
  return Array.from({ length: count }, (_, at) => at).filter((at) => ranged.every((axis) => isIn(axis, at)));
}

export class Brushes {
  #box;
  #sliders;
  #onChange;
  #axes = [];
  #drag = null;

  /** `box` has the chart, `sliders` takes the sliders; `onChange` is called when the address has another range. */
  constructor(box, sliders, onChange) {
    this.#box = box;
    this.#sliders = sliders;
    this.#onChange = onChange;
    box.addEventListener("pointerdown", (event) => this.#start(event));
    window.addEventListener("pointermove", (event) => this.#drag && this.#move(event));
    window.addEventListener("pointerup", () => (this.#drag = null));
    window.addEventListener("pointercancel", () => (this.#drag = null));
  }

  show(axes, brushes) {
    const isSame = String(axes.map((axis) => axis.key)) === String(this.#axes.map((axis) => axis.key));
    this.#axes = axes;
    if (!isSame) this.#sliders.replaceChildren(...axes.map((axis) => this.#row(axis)));
    axes.forEach((axis, at) => this.#fill(this.#sliders.children[at], axis, brushes[axis.key] ?? [0, 1]));
  }

  set(key, low, high) {
    const others = address.getAll("brush").filter((text) => text.split("~").slice(0, -2).join("~") !== key);
    const isAll = low <= 0 && high >= 1;
    address.set({ brush: isAll ? others : [...others, `${key}~${round(low)}~${round(high)}`] });
    this.#onChange();
  }

  #row(axis) {
    const slider = (end) => {
      const input = element("input", { class: "form-range", type: "range", min: 0, max: 1, step: STEP, "data-end": end, "aria-label": `${end === "low" ? "Least" : "Most"} of ${axis.name}` });
      input.addEventListener("input", () => this.#slid(axis, input));
      return input;
    };
    return element("div", { class: "brush-row" }, element("span", { class: "text-truncate", title: axis.name }, short(axis.name)), slider("low"), slider("high"), element("span", { class: "brush-text" }));
  }

  #slid(axis, input) {
    const [low, high] = [...input.parentElement.querySelectorAll("input")].map((each) => Number(each.value));
    // The one that is moved takes the other along.
    if (input.dataset.end === "low") this.set(axis.key, low, Math.max(low, high));
    else this.set(axis.key, Math.min(low, high), high);
  }

  #fill(row, axis, ends) {
    const inputs = row.querySelectorAll("input");
    inputs.forEach((input, at) => {
      input.value = ends[at];
      input.setAttribute("aria-valuetext", axis.at(ends[at]));
    });
    row.querySelector(".brush-text").textContent = ends[0] <= 0 && ends[1] >= 1 ? "all" : `${axis.at(ends[0])} to ${axis.at(ends[1])}`;
  }

  #place(event) {
    const { xaxis, yaxis, margin } = this.#box._fullLayout ?? {};
    if (!xaxis) return null;
    const around = this.#box.getBoundingClientRect();
    const x = event.clientX - around.left - margin.l;
    const share = Math.min(1, Math.max(0, yaxis.p2c(event.clientY - around.top - margin.t)));
    const at = Math.round(xaxis.p2c(x));
    return { axis: this.#axes[at], share, isNear: Math.abs(xaxis.c2p(at) - x) <= NEAR };
  }

  #start(event) {
    if (event.button || event.pointerType === "touch") return; // a finger scrolls; it has the sliders
    const place = this.#place(event);
    if (!place?.axis || !place.isNear) return;
    event.preventDefault();
    this.#drag = place;
    this.set(place.axis.key, 0, 1);
  }

  #move(event) {
    const { axis, share } = this.#drag;
    const now = this.#place(event).share;
    const [low, high] = [Math.min(share, now), Math.max(share, now)];
    if (high - low >= LEAST) this.set(axis.key, low, high);
  }
}

const round = (share) => Number(share.toFixed(3));
