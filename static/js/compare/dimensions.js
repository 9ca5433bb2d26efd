// What can be drawn of a run: its metrics, its parameters, how long it took. Each as a column of numbers, a number a run.

import { number } from "../run/format.js";
import { isLowerBetter } from "./comparison.js";

const TENFOLDS = 1000; // between the ends of an axis, from which on it is logarithmic
const LONGEST = 28;

/** [Dimension] of the API's answer; `of` says which number of a metric counts: last, min, max or best. */
export function dimensionsOf({ runs, metrics, parameters }, of) {
  const found = metrics.map((metric) => {
    const column = of === "best" ? (isLowerBetter(metric) ? "min" : "max") : of;
    return new Dimension(`m:${metric.name}`, metric.name, "metric", metric[column], metric.differs);
  });
  for (const { name, values, differs } of parameters) {
    found.push(new Dimension(`p:${name}`, name, "parameter", values, differs));
  }
  const seconds = runs.map((run) => (run.started_at && run.ended_at ? (new Date(run.ended_at) - new Date(run.started_at)) / 1000 : null));
  found.push(new Dimension("d:seconds", "duration in seconds", "run", seconds, true));
  return found.filter((dimension) => dimension.numbers.some((value) => value !== null));
}

class Dimension {
  /** `raw` = a number, a text ("NaN" of a metric, "0.1" of a parameter) or null for each run. */
  constructor(key, name, kind, raw, differs) {
    Object.assign(this, { key, name, kind, raw, differs });
    const there = raw.filter((value) => value !== null);
    const isNumeric = kind !== "parameter" || there.every((value) => value.trim() !== "" && Number.isFinite(Number(value)));
    this.categories = isNumeric ? null : [...new Set(there)].sort();
    const places = new Map(this.categories?.map((category, at) => [category, at]));
    this.numbers = raw.map((value) => {
      if (value === null) return null;
      if (!isNumeric) return places.get(value);
      const read = typeof value === "number" || kind === "parameter" ? Number(value) : NaN; // "NaN", "Infinity": no place on an axis
      return Number.isFinite(read) ? read : null;
    });
    const drawn = this.numbers.filter((value) => value !== null);
    this.least = Math.min(...drawn);
    this.most = Math.max(...drawn);
    this.isLog = isNumeric && this.least > 0 && this.most / this.least >= TENFOLDS;
  }

  /** What is shown of a run's value, always as text. */
  text(at) {
    const value = this.raw[at];
    return typeof value === "number" ? number(value) : value === null ? "–" : short(value, 60);
  }

  /** Where the run is between the ends of the axis, in [0, 1]; null when it has no place. */
  share(at) {
    const value = this.numbers[at];
    if (value === null) return null;
    if (this.most === this.least) return 0.5;
    const scale = this.isLog ? Math.log10 : (each) => each;
    return (scale(value) - scale(this.least)) / (scale(this.most) - scale(this.least));
  }

  /** What stands at a share of the axis, as text. */
  at(share) {
    if (!this.categories) return this.#tick(share);
    return short(this.categories[Math.round(share * (this.categories.length - 1))]);
  }

  /** [[share, text]] along the axis. */
  ticks(most = 5) {
    if (this.most === this.least) return [[0.5, this.categories ? short(this.categories[0], LONGEST) : number(this.least)]];
    if (this.categories) {
      const last = this.categories.length - 1;
      const each = Math.ceil((last + 1) / 12);
      return this.categories.map((text, at) => [at / last, short(text, LONGEST)]).filter((_, at) => at % each === 0 || at === last);
    }
    return Array.from({ length: most }, (_, at) => at / (most - 1)).map((share) => [share, this.#tick(share)]);
  }

  #tick(share) {
    const value = this.isLog ? this.least * (this.most / this.least) ** share : this.least + (this.most - this.least) * share;
    return number(share === 0 ? this.least : share === 1 ? this.most : Number(value.toPrecision(3)));
  }
}

export function short(text, most = LONGEST) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
