// The four phases as a Gantt that grows while the run does. The table beside it says the same in words.

import { durationWords as duration } from "../time.js";
import { PHASE_COLOURS, label, layout, onThemeChange } from "./theme.js";

const TICK = 500;

export class Timeline {
  #chart;
  #phases = [];
  #skew;
  #final;

  /** `now` is the server's time when the page was made: the phases' ages are told by its clock, not by this machine's. */
  constructor(chart, { phases, final, now }) {
    this.#chart = chart;
    this.#skew = Date.parse(now) - Date.now();
    this.#final = final;
    this.update(phases, final);
    onThemeChange(() => this.#draw());
    setInterval(() => this.#tick(), TICK);
  }

  update(phases, final) {
    this.#phases = phases;
    this.#final = final;
    this.#draw();
  }

  #tick() {
    if (!this.#final && !document.hidden && this.#chart.offsetParent !== null) this.#draw();
  }

  #now() {
    return Date.now() + this.#skew;
  }

  #draw() {
    const begun = this.#phases.filter((phase) => phase.start);
    const origin = begun.length ? Date.parse(begun[0].start) : this.#now();
    const bars = this.#phases.map((phase) => {
      const start = phase.start ? (Date.parse(phase.start) - origin) / 1000 : null;
      const end = phase.end ? Date.parse(phase.end) : this.#now();
      return { ...phase, start, seconds: start === null ? 0 : Math.max(0, (end - origin) / 1000 - start) };
    });
    const whole = Math.max(...bars.map((bar) => (bar.start ?? 0) + bar.seconds), 1);
    const [unit, per] = whole > 7200 ? ["hours", 3600] : whole > 180 ? ["minutes", 60] : ["seconds", 1];
    const trace = {
      type: "bar",
      orientation: "h",
      y: bars.map((bar) => bar.name),
      base: bars.map((bar) => (bar.start ?? 0) / per),
      // A phase of milliseconds beside one of minutes is still to be seen.
      x: bars.map((bar) => (bar.start === null ? 0 : Math.max(bar.seconds, whole * 0.004) / per)),
      marker: { color: bars.map((bar) => PHASE_COLOURS[bar.name]) },
      text: bars.map((bar) => (bar.start === null ? "" : duration(bar.seconds))),
      textposition: "auto",
      insidetextanchor: "middle",
      cliponaxis: false,
      constraintext: "none",
      hovertext: bars.map((bar) => `<b>${bar.name}</b> ${duration(bar.seconds)}<br>${wrapped(bar.reason)}`),
      hoverinfo: "text",
    };
    const room = this.#chart.clientWidth < 480 ? 1.2 : 1.08; // for the words beside the last bar
    const look = layout({
      height: 190,
      margin: { l: 10, r: 24, t: 4, b: 36 },
      bargap: 0.35,
      xaxis: { title: { text: `${unit} since the run began`, font: { size: 11 } }, range: [0, (whole * room) / per], fixedrange: true },
      yaxis: { autorange: "reversed", fixedrange: true, showgrid: false, ticksuffix: "  " },
    });
    Plotly.react(this.#chart, [trace], look, { displayModeBar: false, responsive: true });
  }
}

function wrapped(text) {
  return label(text ?? "").replace(/(.{50,70}) /g, "$1<br>");
}
