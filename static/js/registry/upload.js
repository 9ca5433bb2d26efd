// A model made of somebody's own files: they are sent first, then registered by their digests.

import { bytes, element } from "../run/format.js";
import { api } from "../run/http.js";
import { sendBlobs } from "../submit/blobs.js";
import { fromDrop, fromInput, withoutNeverTaken } from "../submit/collect.js";
import { sendSample } from "./sample.js";

const SHOWN = 12;
const form = document.getElementById("upload-model");
const at = Object.fromEntries([...form.querySelectorAll("[data-upload]")].map((part) => [part.dataset.upload, part]));
const root = form.dataset.api;
let files = [];
let running = null;
let registered = null; // whose sample was refused: the next click goes there

for (const input of [at.files, at.folder]) input.addEventListener("change", () => take(input));
at.drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  at.drop.classList.add("is-over");
});
at.drop.addEventListener("dragleave", () => at.drop.classList.remove("is-over"));
at.drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  at.drop.classList.remove("is-over");
  try {
    choose(await fromDrop(event.dataTransfer));
  } catch (error) {
    tell(`The browser could not read what was dropped: ${error.message}`);
  }
});
// A file that misses the zone would replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
window.addEventListener("beforeunload", (event) => running && event.preventDefault());
at.stop.addEventListener("click", () => running?.abort());

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (registered) return void location.assign(`${registered}#sample`);
  if (!files.length || running) return;
  running = new AbortController();
  setBusy(true);
  try {
    const entries = await sendBlobs(root, files, setProgress, running.signal);
    const made = await api(`${root}models/`, { method: "POST", json: { ...said(), ...(await golden()), entries } });
    if (at.sample.files.length) {
      registered = made.page;
      await sendSample(`${root}models/`, made, at.sample.files[0], at.target.value.trim());
    }
    running = null;
    location.assign(made.page);
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message);
    running = null;
    setBusy(false);
    if (registered) at.submit.textContent = "Go to the model";
  }
});

function take(input) {
  choose(withoutNeverTaken(fromInput(input.files)));
  input.value = "";
}

function choose(chosen) {
  files = chosen;
  tell(files.length ? null : "There is no file in it.");
  const rows = files.slice(0, SHOWN).map(({ path, file }) => element("li", {}, `${path} (${bytes(file.size)})`));
  if (files.length > SHOWN) rows.push(element("li", {}, `… and ${files.length - SHOWN} more`));
  at.chosen.replaceChildren(...rows);
  at.submit.disabled = !files.length;
  const [name] = (files[0]?.path ?? "").split("/");
  if (!form.elements.name.value) form.elements.name.value = name.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9_. -]/g, "-");
}

/** What the fields say; what is empty is left out, so that the API's defaults hold. */
function said() {
  const body = {};
  for (const name of ["name", "framework", "framework_version", "environment", "description"]) {
    if (form.elements[name].value.trim()) body[name] = form.elements[name].value;
  }
  const lines = form.elements.tags.value.split("\n").filter((line) => line.trim());
  body.tags = Object.fromEntries(lines.map((line) => [line.split("=")[0].trim(), line.split("=").slice(1).join("=").trim()]));
  return body;
}

/** What is in the file with golden requests, if one is chosen. */
async function golden() {
  const [file] = form.elements.golden.files;
  if (!file) return {};
  try {
    return { golden: JSON.parse(await file.text()) };
  } catch (error) {
    throw new Error(`${file.name} is not JSON: ${error.message}`);
  }
}

function setBusy(busy) {
  at.progress.hidden = !busy;
  at.submit.disabled = busy;
  if (busy) {
    tell(null);
    setProgress(0, 0);
  }
}

function setProgress(sent, total) {
  const percent = total ? Math.floor((100 * sent) / total) : 0;
  at.bar.style.width = `${percent}%`;
  at.bar.parentElement.setAttribute("aria-valuenow", percent);
  at.share.textContent = total ? `${percent} %, ${bytes(sent)} of ${bytes(total)}` : "";
}

function tell(message) {
  at.problem.hidden = !message;
  at.problem.textContent = message ?? "";
}

// Somebody may have been faster than this script.
for (const input of [at.files, at.folder]) if (input.files.length) take(input);
