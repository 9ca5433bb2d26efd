// Forms that post JSON to the API: cancel, re-run, tags, register. The server's refusal is shown where the person is.

import { element } from "./format.js";
import { sendSample } from "../registry/sample.js";
import { ApiError, api } from "./http.js";
import { focusAgain } from "./parts.js";

/** Sends every `form[data-api]` as JSON and then follows its `data-then`: "refresh", or "go" to the answer's page. */
export function setUpForms(root, refresh) {
  root.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-api]");
    if (!form || event.defaultPrevented) return;
    event.preventDefault();
    if (form.dataset.made) return void location.assign(form.dataset.made);
    const buttons = [...form.querySelectorAll("button")].filter((button) => !button.disabled);
    const focused = form.contains(document.activeElement) && document.activeElement.id;
    for (const button of buttons) button.disabled = true; // which takes the focus from them
    tell(form, null);
    try {
      const answer = await api(form.dataset.api, { method: form.dataset.method ?? "POST", json: bodyOf(form) });
      await sample(form, answer);
      if (form.dataset.then === "go") return void location.assign(answer.page ?? form.dataset.page);
      form.closest("dialog")?.close();
      await refresh(form);
    } catch (error) {
      tell(form, error);
    }
    for (const button of buttons) button.disabled = false;
    if (focused && document.activeElement === document.body) focusAgain(focused);
  });
}

/** The sample of a model that was just registered; where it is refused, the next click goes to the model, and makes no other. */
async function sample(form, made) {
  const file = form.querySelector("[data-sample]")?.files[0];
  if (!file) return;
  try {
    await sendSample(form.dataset.api, made, file, form.querySelector("[data-sample-target]").value.trim());
  } catch (error) {
    form.dataset.made = `${made.page}#sample`;
    form.querySelector("[data-sample-submit]").textContent = "Go to the model";
    throw error;
  }
}

// A field's kind says how its text becomes JSON; what is empty is left out, so that the API's defaults hold, unless the
// field has `data-empty`.
function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.name === "csrfmiddlewaretoken" || isLeftOut(field)) continue;
    body[field.name] = valueOf(field);
  }
  if (form.dataset.tag !== undefined) return tagOf(form, body);
  return body;
}

const isLeftOut = (field) => field.value.trim() === "" && field.dataset.empty === undefined;

function valueOf(field) {
  if (field.type === "number") return Number(field.value);
  return field.dataset.pairs === undefined ? field.value : pairsOf(field.value);
}

// Lines of name=value; a line without a value is a name alone.
function pairsOf(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(lines.map((line) => [line.split("=")[0].trim(), line.split("=").slice(1).join("=").trim()]));
}

function tagOf(form, { name, value }) {
  if (form.dataset.tag === "remove") return { remove: [name] };
  return { set: { [name]: value ?? "" } };
}

function tell(form, error) {
  let box = form.querySelector("[data-form-error]") ?? document.querySelector("[data-page-error]");
  box ??= form.appendChild(element("div", { "data-form-error": true }));
  const known = error instanceof ApiError ? error.message : error && `Something went wrong: ${error.message}`;
  box.replaceChildren(...(known ? [element("div", { class: "alert alert-danger mb-3", role: "alert" }, known)] : []));
}
