// The test console of a deployment: asks the service, and shows what came back and how long it took.
// It listens on the document: the console is swapped in when the service has started.

import { readable } from "./console_answer.js";
import "./console_csv.js";
import { fill, requestOf } from "./console_form.js";

const part = (form, name) => form.closest(".card").querySelector(`[data-console-${name}]`);

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-console]")) return;
  event.preventDefault();
  if (shownTab(event.target) !== "csv") send(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches?.("[data-console-tab]")) return stepTab(event);
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.target.closest("[data-console]")?.requestSubmit();
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-console-method]")) return;
  const request = part(event.target, "request");
  request.value = withMethod(request.value, event.target.value);
});

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("[data-console-tab]");
  if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const address = new URL(location);
  address.searchParams.set("console", tab.dataset.consoleTab);
  if (address.href !== location.href) history.pushState(null, "", address);
  open(tab.dataset.consoleTab);
});

window.addEventListener("popstate", () => {
  const [first] = document.querySelectorAll("[data-console-tab]");
  const asked = new URLSearchParams(location.search).get("console");
  if (first) open(document.getElementById(`console-tab-${asked}`) ? asked : first.dataset.consoleTab);
});

const shownTab = (form) => form.closest(".card").querySelector("[data-console-tab][aria-selected=true]")?.dataset.consoleTab ?? "json";

function open(name) {
  const form = document.querySelector("[data-console]");
  if (shownTab(form) === "form") part(form, "request").value = requestOf(form);
  for (const tab of document.querySelectorAll("[data-console-tab]")) {
    const active = tab.dataset.consoleTab === name;
    tab.classList.toggle("active", active);
    tab.setAttribute("aria-selected", String(active));
    tab.tabIndex = active ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !active;
  }
  if (name === "form") fill(form, part(form, "request").value);
  part(form, "send").hidden = name === "csv";
  if (name === "csv") part(form, "answer").hidden = true;
}

function stepTab(event) {
  const tabs = [...document.querySelectorAll("[data-console-tab]")];
  const at = tabs.indexOf(event.target);
  const last = tabs.length - 1;
  const next = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  tabs[next].focus();
  tabs[next].click();
}

/** The request with another method, and otherwise as the person wrote it. */
function withMethod(text, method) {
  const named = /("method"\s*:\s*)"[^"\\]*"/;
  if (named.test(text)) return text.replace(named, (_, before) => before + JSON.stringify(method));
  return text.replace(/\s*\}\s*$/, `,\n  "method": ${JSON.stringify(method)}\n}`);
}

async function send(form) {
  const button = form.querySelector("button[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  if (shownTab(form) === "form") part(form, "request").value = requestOf(form);
  const started = performance.now();
  try {
    const response = await fetch(form.dataset.url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: part(form, "request").value,
    });
    show(form, response.status, await response.text(), performance.now() - started);
  } catch (error) {
    show(form, "no answer", String(error.message ?? error), performance.now() - started);
  } finally {
    button.disabled = false;
  }
}

// A status has the colour that it has among the last requests.
function show(form, status, text, milliseconds) {
  const badge = part(form, "status");
  badge.textContent = status;
  badge.className = `badge ${status < 300 ? "bg-green-lt" : status < 500 ? "bg-yellow-lt" : "bg-red-lt"}`;
  part(form, "latency").textContent = `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms, from this browser and back`;
  part(form, "response").textContent = layOut(text);
  part(form, "answer").hidden = false;
  const box = part(form, "readable");
  const good = status < 300;
  const shown = shownTab(form) === "form" || !good ? elements(form, status, text) : null;
  box.replaceChildren(...(shown ?? []));
  box.hidden = !shown;
  part(form, "raw").open = !shown;
  const golden = form.closest(".card").querySelector("[data-golden]")?.parentElement;
  if (!golden) return;
  golden.hidden = !good; // an error is no answer that a version owes
  golden.querySelector("[data-golden-said]").textContent = "";
}

function elements(form, status, text) {
  if (!(status < 300)) {
    const message = messageOf(text);
    const told = Object.assign(document.createElement("div"), { className: "text-danger text-break", textContent: message ?? "" });
    return message ? [told] : null;
  }
  const classes = JSON.parse(form.dataset.classes || "null");
  return readable(text, part(form, "method")?.value ?? "predict", classes);
}

function messageOf(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return null;
  }
}

/** JSON as people read it: short ones in a line, long ones an item a line. */
function layOut(text) {
  try {
    const value = JSON.parse(text);
    if (!Array.isArray(value)) return JSON.stringify(value, null, 2);
    const items = value.map((item) => JSON.stringify(item));
    return text.length <= 80 ? `[${items.join(", ")}]` : `[\n  ${items.join(",\n  ")}\n]`;
  } catch {
    return text;
  }
}
