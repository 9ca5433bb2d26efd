// The numbers behind the charts, from the portal's API: asked for once, and again when runs have changed.

import { api } from "../run/http.js";
import { address } from "./address.js";

const LONGEST_ADDRESS = 4000;

export class Comparison {
  #page;
  #values = null;

  constructor(page) {
    this.#page = page;
  }

  /** {runs, parameters, tags, metrics} of the API; one request for all that ask at a time. */
  values() {
    this.#values ??= this.#ask("", {}).catch((error) => {
      this.#values = null;
      throw error;
    });
    return this.#values;
  }

  /** The next one who asks gets what is there by then. */
  forget() {
    this.#values = null;
  }

  /** {curves: {name: {uid: {steps, times, values, count}}}, left_out} of these runs. */
  curves(name, points, uids) {
    return this.#ask("curves/", { name, points }, uids);
  }

  async #ask(path, wish, runs = this.#page.runs.map((run) => run.uid)) {
    const pairs = Object.entries(wish).flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
    const query = new URLSearchParams([["runs", runs.join(",")], ...pairs]);
    const url = `${this.#page.api}${path}`;
    if (String(query).length <= LONGEST_ADDRESS) return api(`${url}?${query}`);
    return api(url, { method: "POST", json: { runs, ...wish } });
  }
}

/** Whether less is better: what the address says, else what the portal reads from the metric's name. */
export function isLowerBetter(metric) {
  if (address.getAll("lower").includes(metric.name)) return true;
  return metric.goal === "lower" && !address.getAll("higher").includes(metric.name);
}
