// The comparison of runs: what the server rendered, brought to life.

import { Parts } from "../run/parts.js";
import { Tabs } from "../run/tabs.js";
import { address, turnGoal } from "./address.js";
import { Comparison } from "./comparison.js";
import { CurvesPanel } from "./curves-panel.js";
import { DifferencePanel } from "./difference-panel.js";
import { PlotsPanel } from "./plots-panel.js";

const EVERY = 5000; // ms between two looks while a run goes on
const TYPING = 300;

const page = JSON.parse(document.getElementById("compare-data").textContent);
const part = (name) => document.querySelector(`[data-part=${name}]`);
const panel = (name) => document.getElementById(`panel-${name}`);

// Runs are added and taken out: all else that the address says stays as it is.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-add], button[name=without]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const runs = link.href ? new URL(link.href).searchParams.get("runs") : page.runs.map((run) => run.uid).filter((uid) => uid !== link.value);
  location.assign(location.pathname + address.with({ runs: String(runs) }) + location.hash);
});

if (page.runs.length) start();

function start() {
  const comparison = new Comparison(page);
  const curves = new CurvesPanel(panel("curves"), page, comparison);
  const plots = new PlotsPanel(panel("plots"), page, comparison);
  const difference = new DifferencePanel(panel("differences"), page);
  const tabs = new Tabs(document.querySelector("[role=tablist]"));
  tabs.onShow("curves", () => curves.show());
  tabs.onShow("plots", () => plots.show());
  tabs.onShow("differences", () => difference.show());
  setUpControls();
  setUpGoals(plots);
  // Everything is deferred, so plotly is there; the charts are drawn in the order in which tabs are opened.
  tabs.start();
  watch(async () => {
    comparison.forget();
    await Promise.all([curves.refresh(), plots.refresh()]);
  });
}

function setUpControls() {
  const form = document.querySelector("[data-compare=controls]");
  let typing = 0;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    address.set({ [target.name]: target.type === "checkbox" ? (target.checked ? "1" : "") : target.value });
    if (target.name === "only") return part("tables").classList.toggle("is-only-different", target.checked);
    clearTimeout(typing);
    typing = setTimeout(() => refresh(), target.name === "find" ? TYPING : 0);
  });
}

function setUpGoals(plots) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-goal]");
    if (!button) return;
    turnGoal(button.dataset.goal, button.dataset.now);
    const { goal } = button.dataset;
    await refresh();
    [...document.querySelectorAll("[data-goal]")].find((each) => each.dataset.goal === goal)?.focus({ preventScroll: true });
    plots.refresh();
  });
}

/** The parts for what the address says now; with `known`, only if a run has changed. */
async function refresh(known = "") {
  const scrolled = new Map([...document.querySelectorAll("[data-part] [role=region]")].map((box) => [box.getAttribute("aria-label"), [box.scrollLeft, box.scrollTop]]));
  await new Parts(page.live + address.with({ known })).refresh();
  for (const box of document.querySelectorAll("[data-part] [role=region]")) {
    const [left, top] = scrolled.get(box.getAttribute("aria-label")) ?? [0, 0];
    if (box.scrollLeft !== left) box.scrollLeft = left;
    if (box.scrollTop !== top) box.scrollTop = top;
  }
}

function watch(onChange) {
  const now = () => part("runs").querySelector("[data-state]").dataset;
  const look = async () => {
    const { state } = now();
    if (!document.hidden) await refresh(state);
    if (now().state !== state) await onChange();
    soon();
  };
  const soon = () => {
    if (now().live !== undefined) setTimeout(look, EVERY);
  };
  soon();
}
