// The run page: what the server rendered, brought to life.

import { setUpDialogs } from "./dialogs.js";
import { openScript, setUpFiles } from "./files-panel.js";
import { setUpForms } from "./forms.js";
import { LogPanel } from "./log-panel.js";
import { MetricsPanel } from "./metrics-panel.js";
import { Parts } from "./parts.js";
import { RunStream } from "./stream.js";
import { Tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";

const page = JSON.parse(document.getElementById("run-data").textContent);
const panel = (name) => document.getElementById(`panel-${name}`);
const parts = new Parts(page.live);
const stream = new RunStream(`${page.api}stream/`, page.api);
const tabs = new Tabs(document.querySelector("[role=tablist]"));
const chart = document.getElementById("timeline"); // a run of a client has no phases to show
const timeline = chart && new Timeline(chart, page);
const log = new LogPanel(panel("logs"), page, stream);
const metrics = new MetricsPanel(panel("metrics"), page, stream);

tabs.onShow("logs", (rest) => log.show(rest));
tabs.onShow("metrics", () => metrics.show());
tabs.onShow("code", () => openScript(panel("code")));
setUpFiles(document.querySelector("[data-run-page]"));
setUpForms(document, () => parts.refresh());
setUpDialogs(document);
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-first-error]")) return;
  event.preventDefault();
  history.replaceState(null, "", "#logs");
  tabs.show("logs", "error");
  const box = panel("logs").querySelector("[data-log=box]"); // on a phone it is a screen further down
  box.scrollIntoView({ block: "start" });
  box.focus({ preventScroll: true });
});

stream.addEventListener("run", ({ detail: run }) => {
  Object.assign(page, { status: run.status, failure: run.failure });
  timeline?.update(run.phases, Boolean(run.ended_at));
  parts.refresh();
});
stream.addEventListener("end", async () => {
  page.final = true;
  await parts.refresh();
  await Promise.all([log.end(), metrics.refresh()]);
});
stream.addEventListener("build", ({ detail }) => showBuild(detail));
stream.addEventListener("connection", ({ detail }) => tellConnection(detail));

let buildText = "";
let buildSeen = 0;
document.addEventListener("part:exchanged", ({ detail: part }) => {
  writeBuild();
  if (part === "header") announceStatus();
});

// Outside of the parts: a screen reader reads what changes in a region, not a region that is exchanged.
function announceStatus() {
  const region = document.querySelector("[data-announce]");
  const words = [...document.querySelectorAll("h1 .status, h1 .badge")].map((part) => part.textContent.trim()).join(", ");
  if (region.textContent !== words) region.textContent = words;
}

function showBuild({ after, text }) {
  if (after <= buildSeen) return; // a new connection tells the log from its start
  buildSeen = after;
  buildText += text;
  writeBuild();
}

function writeBuild() {
  const box = document.querySelector("[data-build-log]");
  if (!box || !buildText) return;
  const atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 30;
  box.textContent = buildText;
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function tellConnection({ state }) {
  const banner = document.getElementById("connection");
  banner.hidden = state === "live" || state === "ended";
  banner.querySelector("[data-label]").textContent =
    state === "refused" ? "You are signed out, or may no longer see this run. Load the page again." : "Connection lost, retrying…";
}

tabs.start();
if (!page.final) stream.connect();
