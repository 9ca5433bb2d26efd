// How right the service was, over the time of its requests. The table below each chart has the same numbers.

import { label, layout, onThemeChange, seriesColour } from "../run/theme.js";
import { CONFIG, local } from "./charts.js";

/** {name, times (seconds), values, counts, isShare} in `data-accuracy`, as the page has written it. */
function draw(plot) {
  const { name, times, values, counts, isShare } = JSON.parse(plot.dataset.accuracy);
  const colour = seriesColour();
  const trace = {
    x: times.map(local),
    y: values,
    text: counts.map((count) => `${count} value${count === 1 ? "" : "s"}`),
    type: "scatter",
    mode: "lines+markers",
    name: label(name),
    line: { color: colour, width: 1.75 },
    marker: { color: colour, size: 6 },
    hovertemplate: `%{y:.4~g}, %{text}<extra>%{x|%b %-d, %H:%M}</extra>`,
  };
  const look = layout({
    height: 220,
    margin: { l: 8, r: 12, t: 8, b: 28 },
    xaxis: { type: "date" },
    yaxis: isShare ? { range: [0, 1.05] } : { rangemode: "tozero", tickformat: ",~g" },
  });
  Plotly.react(plot, [trace], look, CONFIG);
}

function drawAll() {
  for (const plot of document.querySelectorAll("[data-accuracy]")) draw(plot);
}

document.addEventListener("htmx:afterSettle", drawAll); // the cards are drawn anew when a value comes
onThemeChange(drawAll);
drawAll();
