// The submit page: four small steps on one page, and one button. Nothing that was filled in is lost by an error.

import { element } from "../run/format.js";
import { ApiError, api } from "../run/http.js";
import { EnvironmentStep, FieldError } from "./environment-step.js";
import { InputsStep } from "./inputs-step.js";
import { joinShell, splitShell } from "./shell-words.js";
import { SnapshotStep } from "./snapshot-step.js";

const page = JSON.parse(document.getElementById("submit-data").textContent);
const form = document.getElementById("submit-form");
const fields = form.elements;
const at = Object.fromEntries([...form.querySelectorAll("[data-submit]")].map((part) => [part.dataset.submit, part]));
const code = new SnapshotStep(document.getElementById("step-code"), page);
const environment = new EnvironmentStep(document.getElementById("step-environment"), page, fields.target);
const inputs = new InputsStep(at, page.datasets);
let wanted = page.clone; // what a clone or the example asks for, until its snapshot is shown

code.addEventListener("example", ({ detail }) => (wanted = detail));
code.addEventListener("snapshot", ({ detail: snapshot }) => onSnapshot(snapshot));
fields.arguments.addEventListener("input", showArguments);
at.addTag.addEventListener("click", () => addTag());
form.addEventListener("submit", onSubmit);

showArguments();
if (page.clone) {
  fillIn(page.clone);
  if (page.clone.snapshot) code.load(page.clone.snapshot).catch((error) => tell(error.message));
}

function fillIn({ experiment, name, arguments: words, target, wall_seconds: seconds, tags = {}, inputs: given = [] }) {
  if (experiment) fields.experiment.value = experiment;
  if (name) fields.name.value = name;
  if (words) fields.arguments.value = joinShell(words);
  if (target && [...fields.target.options].some((option) => option.value === target)) fields.target.value = target;
  if (seconds) fields.wall_minutes.value = seconds / 60;
  for (const one of given) inputs.add(one);
  for (const [key, value] of Object.entries(tags)) addTag(key, value);
  if (name || seconds || Object.keys(tags).length) at.advanced.open = true;
  showArguments();
}

async function onSnapshot(snapshot) {
  const scripts = snapshot?.scripts ?? [];
  const chosen = wanted?.script ?? snapshot?.suggested_script;
  const options = scripts.map((script) => element("option", { value: script, selected: script === chosen }, script));
  const first = snapshot ? "Pick the script to run" : "Add your code first";
  fields.script.replaceChildren(element("option", { value: "" }, scripts.length || !snapshot ? first : "There is no Python script in it"), ...options);
  fields.script.disabled = !scripts.length;
  if (!snapshot) return;
  if (wanted && wanted !== page.clone) fillIn(wanted);
  const found = wanted?.environment && environment.choose(wanted.environment);
  wanted = null;
  if (!found) await environment.offer(snapshot);
}

function showArguments() {
  try {
    const words = splitShell(fields.arguments.value);
    const chips = words.flatMap((word) => [element("code", { class: "argument" }, word || "''"), " "]);
    at.words.replaceChildren(...(chips.length ? ["The script gets: ", ...chips] : ["Split as a shell splits: quote what holds blanks."]));
    at.words.classList.remove("text-danger");
  } catch (error) {
    at.words.textContent = error.message;
    at.words.classList.add("text-danger");
  }
}

function addTag(name = "", value = "") {
  const row = at.tagRow.content.firstElementChild.cloneNode(true);
  const [nameField, valueField] = row.querySelectorAll("input");
  nameField.value = name;
  valueField.value = value ?? "";
  row.querySelector("button").addEventListener("click", () => row.remove());
  at.tags.append(row);
}

async function onSubmit(event) {
  event.preventDefault();
  tell(null);
  setBusy(true);
  try {
    const body = read();
    body.environment = await environment.resolve();
    const run = await api(`${page.api}runs/`, { method: "POST", json: body });
    location.assign(run.page);
  } catch (error) {
    setBusy(false);
    showError(error);
  }
}

function read() {
  if (!code.snapshot) throw new FieldError(at.dropButton, "Add your code first: drop a folder, files or a zip.");
  if (!fields.script.value) throw new FieldError(fields.script, "Pick the script to run.");
  if (!fields.experiment.value.trim()) throw new FieldError(fields.experiment, "The run needs an experiment: pick one, or name a new one.");
  let words;
  try {
    words = splitShell(fields.arguments.value);
  } catch (error) {
    throw new FieldError(fields.arguments, error.message);
  }
  const rows = [...at.tags.children].map((row) => [...row.querySelectorAll("input")].map((field) => field.value.trim()));
  const body = {
    snapshot: code.snapshot.uid,
    script: fields.script.value,
    arguments: words,
    target: fields.target.value,
    experiment: fields.experiment.value.trim(),
    name: fields.name.value.trim(),
    tags: Object.fromEntries(rows.filter(([name]) => name)),
    inputs: inputs.read(),
  };
  if (fields.wall_minutes.value) body.wall_seconds = Math.round(Number(fields.wall_minutes.value) * 60);
  return body;
}

// The API names the field that it refuses; the page marks it and brings it into view.
function showError(error) {
  const names = { definition: "definition", name: environment.isNew && error.details?.field === "name" ? "environment_name" : "name", wall_seconds: "wall_minutes" };
  const field = error instanceof ApiError ? error.details?.field ?? Object.keys(error.details?.fields ?? {})[0] : null;
  const target = error.field ?? (field && fields[names[field] ?? field]);
  tell(error instanceof ApiError || error instanceof FieldError ? error.message : `Something went wrong: ${error.message}`);
  if (!target?.focus) return;
  target.closest("details")?.setAttribute("open", "");
  target.classList.add("is-invalid");
  target.addEventListener("input", () => target.classList.remove("is-invalid"), { once: true });
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "center", behavior: "smooth" });
}

function tell(message) {
  at.problem.hidden = !message;
  at.problem.textContent = message ?? "";
}

function setBusy(busy) {
  at.button.disabled = busy;
  at.spinner.hidden = !busy;
}
