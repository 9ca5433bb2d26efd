// The test console of a deployment: sends what is in the text field, and shows what came back and how long it took.
// It listens on the document: the console is swapped in when the service has started.

const part = (form, name) => form.closest(".card").querySelector(`[data-console-${name}]`);

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-console]")) return;
  event.preventDefault();
  send(event.target);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.target.closest("[data-console]")?.requestSubmit();
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-console-method]")) return;
  const request = part(event.target, "request");
  request.value = withMethod(request.value, event.target.value);
});

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
  const started = performance.now();
  try {
    const response = await fetch(form.dataset.url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: part(form, "request").value,
    });
    const text = await response.text();
    show(form, response.status, layOut(text), performance.now() - started);
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
  part(form, "response").textContent = text;
  part(form, "answer").hidden = false;
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
