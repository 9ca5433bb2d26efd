// The datasets that the run is given, each under a name of the script's own.

import { element } from "../run/format.js";
import { FieldError } from "./environment-step.js";

export class InputsStep {
  #datasets;
  #rows;
  #template;

  /** `at.inputs` holds the rows, `at.inputRow` is the template of one, `at.addInput` the button for another. */
  constructor(at, datasets) {
    this.#datasets = datasets;
    this.#rows = at.inputs;
    this.#template = at.inputRow;
    at.addInput?.addEventListener("click", () => this.add());
  }

  /** A row; `given` ({name, dataset, label}) fills it in. */
  add(given = null) {
    const row = this.#template.content.firstElementChild.cloneNode(true);
    const select = row.querySelector("select");
    const name = row.querySelector("input");
    const known = this.#datasets.some(({ uid }) => uid === given?.dataset);
    const offered = given && !known ? [{ uid: given.dataset, label: given.label }, ...this.#datasets] : this.#datasets;
    select.append(...offered.map(({ uid, label }) => element("option", { value: uid, selected: uid === given?.dataset }, label)));
    name.value = given?.name ?? "";
    const propose = () => (name.placeholder = this.#proposed(select.value, name));
    select.addEventListener("change", propose);
    propose();
    row.querySelector("button").addEventListener("click", () => row.remove());
    this.#rows.append(row);
  }

  /** What the API takes; throws a FieldError for two of one name. */
  read() {
    const taken = new Set();
    return [...(this.#rows?.children ?? [])].map((row) => {
      const field = row.querySelector("input");
      const name = field.value.trim() || field.placeholder;
      if (!/^[A-Za-z0-9_]{1,100}$/.test(name)) throw new FieldError(field, "The name of an input has 1 to 100 letters, digits or underscores.");
      if (taken.has(name.toLowerCase())) throw new FieldError(field, `Two inputs are named ${name}; give one of them another name.`);
      taken.add(name.toLowerCase());
      return { name, dataset: row.querySelector("select").value, mode: "mount" };
    });
  }

  #proposed(uid, field) {
    const name = this.#datasets.find((dataset) => dataset.uid === uid)?.name ?? "";
    const plain = name.replace(/[^A-Za-z0-9]/g, "_").slice(0, 96) || "data";
    const others = [...this.#rows.querySelectorAll("input")].filter((other) => other !== field);
    const taken = new Set(others.map((other) => (other.value || other.placeholder).toLowerCase()));
    for (let count = 1; ; count += 1) {
      const proposed = count === 1 ? plain : `${plain}_${count}`;
      if (!taken.has(proposed.toLowerCase())) return proposed;
    }
  }
}
