// How runs are told apart, and how a number becomes a colour. The colours of runs are those of css/compare.css.

import { isDark } from "../run/theme.js";

const RUNS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a900", "#7f7f7f"];
const RUNS_DARK = ["#4aa3e0", "#e69f00", "#1fc29a", "#e39cc4", "#8fd0f5", "#ff8a3c", "#e6d84a", "#b0b0b0"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
// Of viridis, without the end that the page's background swallows.
const SCALE = ["#440154", "#414487", "#2a788e", "#22a884", "#6cb93f"];
const SCALE_DARK = ["#6f6fd8", "#3f8fb0", "#22a884", "#7ad151", "#fde725"];
export const NO_VALUE = "#8a8a8a";

/** The line of the run at this place: 8 colours, then the same ones dashed. */
export function runLine(at) {
  return { color: (isDark() ? RUNS_DARK : RUNS)[at % RUNS.length], dash: DASHES[Math.floor(at / RUNS.length) % DASHES.length] };
}

/** The classes of its swatch. */
export function runLook(at) {
  return `run-colour-${at % RUNS.length} run-dash-${Math.floor(at / RUNS.length) % DASHES.length}`;
}

/** For plotly: [[0, colour], …, [1, colour]]. */
export function colourScale() {
  const colours = isDark() ? SCALE_DARK : SCALE;
  return colours.map((colour, at) => [at / (colours.length - 1), colour]);
}

/** The colour of `share` in [0, 1]; null has none. */
export function colourOf(share) {
  if (share === null) return NO_VALUE;
  const colours = isDark() ? SCALE_DARK : SCALE;
  const place = Math.min(Math.max(share, 0), 1) * (colours.length - 1);
  const from = Math.min(Math.floor(place), colours.length - 2);
  const parts = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  const [low, high] = [parts(colours[from]), parts(colours[from + 1])];
  return `rgb(${low.map((part, at) => Math.round(part + (high[at] - part) * (place - from))).join(",")})`;
}
