// Colours that charts take from the page, in the light and in the dark. The series' colours are Okabe and Ito's, which
// the colour-blind tell apart (https://jfly.uni-koeln.de/color/).

export const PHASE_COLOURS = { Preparing: "#56B4E9", Scaling: "#E69F00", Running: "#009E73", "Post-processing": "#CC79A7" };
export const SERIES_COLOUR = "#0072B2";
const SERIES_COLOUR_DARK = "#56B4E9";

export function isDark() {
  return document.documentElement.dataset.bsTheme === "dark";
}

export function seriesColour() {
  return isDark() ? SERIES_COLOUR_DARK : SERIES_COLOUR;
}

/** The parts of a plotly layout that every chart here shares. */
export function layout(overrides = {}) {
  const { color: colour, fontFamily: family } = getComputedStyle(document.body);
  const grid = isDark() ? "rgba(255,255,255,.12)" : "rgba(0,0,0,.1)";
  const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true };
  const { xaxis, yaxis, ...rest } = overrides;
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family, size: 12, color: colour },
    hoverlabel: { align: "left" },
    showlegend: false,
    xaxis: { ...axis, ...xaxis },
    yaxis: { ...axis, ...yaxis },
    ...rest,
  };
}

/** The text as it is: plotly reads a little HTML in its labels, and what a run says is text. */
export function label(text) {
  return String(text).replace(/[<>&]/g, (sign) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[sign]);
}

/** Calls `draw` whenever the page turns dark or light. */
export function onThemeChange(draw) {
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
}
