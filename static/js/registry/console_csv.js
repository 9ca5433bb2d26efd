// The CSV tab of the test console: a file goes to the service in pieces, and comes back with the answers beside its rows.

import { element, number } from "../run/format.js";
import { csrfToken, errorOf } from "../run/http.js";
import { cells, records } from "./csv.js";

const ROWS = 2000; // in one piece
const SHOWN = 10;
const LARGEST = 200_000_000; // in a browser's memory
const part = (inside, name) => inside.querySelector(`[data-console-${name}]`);
let running = null;
let address = null;

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-console-file]") || !event.target.files.length) return;
  const [file] = event.target.files;
  event.target.value = "";
  score(event.target.form, file);
});
for (const kind of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(kind, (event) => {
    const zone = event.target.closest?.("[data-console-drop]");
    if (!zone) return;
    event.preventDefault();
    zone.classList.toggle("is-over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) score(zone.closest("form"), event.dataTransfer.files[0]);
  });
}
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-console-stop]")) running?.abort();
});
window.addEventListener("beforeunload", (event) => running && event.preventDefault());

async function score(form, file) {
  if (running) return;
  running = new AbortController();
  part(form, "file-problem").hidden = part(form, "scored").hidden = true;
  part(form, "file-name").textContent = file.name;
  try {
    await send(form, file, running.signal);
  } catch (error) {
    const problem = part(form, "file-problem");
    problem.textContent = error.name === "AbortError" ? "Stopped. Nothing was kept." : error.message;
    problem.hidden = false;
  } finally {
    running = null;
    part(form, "progress").hidden = true;
  }
}

async function send(form, file, signal) {
  const [names, ...rows] = records(await textOf(file));
  if (!rows.length) throw new Error("The file has no rows: a line of column names comes first, then a line a row.");
  const method = form.querySelector("[data-console-method]")?.value ?? "";
  const scored = [];
  progress(form, 0, rows.length);
  for (let start = 0; start < rows.length; start += ROWS) {
    const body = [names, ...rows.slice(start, start + ROWS)].join("\n");
    const query = new URLSearchParams({ method, first: start + 1 });
    const [title, ...found] = records(await piece(`${form.dataset.fileUrl}?${query}`, body, signal));
    if (!scored.length) scored.push(title);
    scored.push(...found);
    progress(form, Math.min(start + ROWS, rows.length), rows.length);
  }
  show(form, file, scored);
}

async function textOf(file) {
  if (file.size > LARGEST) throw new Error(`The file is too large for a browser: send it with the command line, mlportal predict.`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error("The file is no UTF-8: save it as “CSV UTF-8”.");
  }
}

async function piece(url, body, signal) {
  const headers = { "Content-Type": "text/csv", "X-CSRFToken": csrfToken() };
  let answer;
  try {
    answer = await fetch(url, { method: "POST", headers, body, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The portal does not answer. Is it running, and are you connected to it?");
  }
  if (!answer.ok) throw errorOf(answer.status, await answer.text());
  return answer.text();
}

function progress(form, done, all) {
  const percent = Math.floor((100 * done) / all);
  const bar = part(form, "progress-bar");
  part(form, "progress").hidden = false;
  bar.style.width = `${percent}%`;
  bar.parentElement.setAttribute("aria-valuenow", percent);
  part(form, "progress-text").textContent = `${number(done)} of ${number(all)} rows`;
}

function show(form, file, scored) {
  const box = part(form, "scored");
  const table = box.querySelector("table");
  const [names, ...rows] = scored.slice(0, SHOWN + 1).map(cells);
  table.tHead.replaceChildren(element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name))));
  table.tBodies[0].replaceChildren(
    ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell)))),
  );
  const all = scored.length - 1;
  part(form, "scored-text").textContent = all > SHOWN ? `${number(all)} rows are scored; here are the first ${SHOWN}` : `${number(all)} rows are scored`;
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(new Blob([scored.join("\r\n"), "\r\n"], { type: "text/csv" }));
  const link = part(form, "download");
  link.href = address;
  link.download = `${file.name.replace(/\.csv$/i, "")}-scored.csv`;
  box.hidden = false;
}
