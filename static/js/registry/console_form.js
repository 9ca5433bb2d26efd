// The form of the test console: what is in its fields is the JSON request, and what the JSON says is in the fields.

const fieldsOf = (form) => [...form.querySelectorAll("[data-console-field]")];
const valueOf = (field) => field.querySelector("[data-console-value]");

/** The request that the fields say, laid out as the page lays it out. */
export function requestOf(form) {
  const row = fieldsOf(form).map(read);
  const shown = "isText" in form.dataset ? JSON.stringify(row[0]) : `[${row.map((cell) => JSON.stringify(cell)).join(", ")}]`;
  const method = form.querySelector("[data-console-method]")?.value ?? "predict";
  return `{\n  "data": [\n    ${shown}\n  ],\n  "method": ${JSON.stringify(method)}\n}`;
}

/** Puts the first row of the request into the fields; a request of another kind leaves them alone. */
export function fill(form, text) {
  let row;
  try {
    [row] = JSON.parse(text).data;
  } catch {
    return;
  }
  if ("isText" in form.dataset && typeof row === "string") row = [row];
  const fields = fieldsOf(form);
  if (!Array.isArray(row) || row.length !== fields.length) return;
  fields.forEach((field, place) => write(field, row[place]));
}

function read(field) {
  const input = valueOf(field);
  if (input.type === "checkbox") return input.checked;
  if (input.value === "") return null;
  const { kind } = field.dataset;
  if (kind === "boolean") return input.value === "true";
  return kind === "number" || kind === "integer" ? Number(input.value) : input.value;
}

function write(field, cell) {
  const input = valueOf(field);
  if (input.type === "checkbox") {
    input.checked = cell === true || cell === 1;
    return;
  }
  const text = cell === null || cell === undefined ? "" : String(cell);
  if (input.tagName === "SELECT" && ![...input.options].some((option) => option.value === text)) input.add(new Option(text, text));
  input.value = text;
  const slider = field.querySelector("[data-console-slider]");
  if (slider) slider.value = text;
}

document.addEventListener("input", (event) => {
  const field = event.target.closest?.("[data-console-field]");
  if (field) {
    const slider = field.querySelector("[data-console-slider]");
    if (event.target === slider) valueOf(field).value = rounded(slider.value, valueOf(field).step);
    else if (slider) slider.value = event.target.value;
    const form = event.target.form;
    form.querySelector("[data-console-request]").value = requestOf(form);
  }
  if (event.target.matches?.("[data-console-find]")) find(event.target);
});

/** To the digits that the step has. */
function rounded(value, step) {
  const digits = Math.max(0, -Math.floor(Math.log10(Number(step) || 1)));
  return String(Number(Number(value).toFixed(Math.min(digits, 20))));
}

function find(box) {
  const wanted = box.value.trim().toLowerCase();
  for (const field of fieldsOf(box.form)) field.hidden = !field.dataset.find.includes(wanted);
}
