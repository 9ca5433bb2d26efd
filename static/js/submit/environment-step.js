// Step 3: the environment. One that is there, or a YAML that is checked while it is typed.

import { element } from "../run/format.js";
import { api, send } from "../run/http.js";

const CHECK_AFTER = 350;
const LARGEST = 64 * 1024;

export class EnvironmentStep {
  #page;
  #at = {};
  #timer = 0;
  #check = null;
  #asOfFrom = "";
  #target;

  /** `target`: the field with the compute target, whose machines have the Pythons to choose from. */
  constructor(card, page, target) {
    this.#page = page;
    this.#target = target;
    for (const part of card.querySelectorAll("[data-environment]")) this.#at[part.dataset.environment] = part;
    const { existing, write, yaml, file, asOf, pick, base } = this.#at;
    for (const choice of [existing, write]) choice.addEventListener("change", () => this.#showChoice());
    yaml.addEventListener("input", () => this.#checkSoon());
    asOf.addEventListener("change", () => this.#checkSoon());
    target.addEventListener("change", () => this.#checkSoon());
    file.addEventListener("change", () => this.#onFile());
    pick.addEventListener("change", () => this.#tellPicked());
    base.addEventListener("click", () => this.#startFromPicked());
    this.#tellPicked();
    this.#showChoice();
  }

  get isNew() {
    return this.#at.write.checked;
  }

  /** Chooses an environment that is there, by "name:version"; false when it is not. */
  choose(value) {
    const option = [...this.#at.pick.options].find((candidate) => candidate.value === value);
    if (!option) return false;
    option.selected = true;
    this.#at.existing.checked = true;
    this.#tellPicked();
    this.#showChoice();
    return true;
  }

  /** Offers the YAML that was found in the uploaded code. */
  async offer(snapshot) {
    const path = snapshot?.suggested_environment;
    if (!path) return;
    const url = `${this.#page.files.replace("SNAPSHOT", snapshot.uid)}?${new URLSearchParams({ path })}`;
    try {
      this.write(await (await send(url)).text(), nameOf(path), `Found in the code: ${path}`);
    } catch {
      return; // the person can still paste it
    }
  }

  write(text, name, source) {
    const { write, yaml, name: nameField, source: note, asOf } = this.#at;
    write.checked = true;
    yaml.value = text;
    asOf.value = "";
    this.#asOfFrom = "";
    nameField.value = text.match(/^name:[ \t]*["']?([^\s"'#]+)/m)?.[1] ?? name;
    note.textContent = source;
    this.#showChoice();
    this.#checkSoon(0);
  }

  /** What to submit with: {name, version}. A new one is made first; equal definitions are one version. */
  async resolve() {
    const { pick, name, yaml, asOf } = this.#at;
    if (!this.isNew) {
      const { name: known, version } = pick.selectedOptions[0]?.dataset ?? {};
      if (!known) throw new FieldError(pick, "Pick an environment, or write one.");
      return { name: known, version: Number(version) };
    }
    if (!yaml.value.trim()) throw new FieldError(yaml, "Paste or upload the YAML of the environment.");
    if (!name.value.trim()) throw new FieldError(name, "The environment needs a name.");
    const json = { name: name.value.trim(), definition: yaml.value, as_of: asOf.value || null };
    const made = await api(`${this.#page.api}environments/`, { method: "POST", json });
    return { name: made.name, version: made.version };
  }

  #showChoice() {
    this.#at.existingPart.hidden = this.isNew;
    this.#at.writePart.hidden = !this.isNew;
  }

  #tellPicked() {
    const { pick, picked, base } = this.#at;
    const data = pick.selectedOptions[0]?.dataset;
    base.disabled = !data?.name;
    picked.textContent = data?.name ? [data.description, data.python, data.asOf && `packages as of ${data.asOf}`].filter(Boolean).join(" · ") : "";
  }

  async #startFromPicked() {
    const { name, version } = this.#at.pick.selectedOptions[0].dataset;
    const found = await api(`${this.#page.api}environments/${encodeURIComponent(name)}/versions/${version}/`);
    this.write(found.definition, `${name}-copy`, `From ${name}:${version}`);
    this.#at.name.value = `${name}-copy`;
    if (found.as_of) this.#at.asOf.value = found.as_of;
  }

  async #onFile() {
    const file = this.#at.file.files[0];
    this.#at.file.value = "";
    if (!file) return;
    if (file.size > LARGEST) return this.#showResult({ errors: [{ message: `${file.name} is larger than the 64 kB that an environment may have.` }] });
    this.write(await file.text(), nameOf(file.name), `From ${file.name}`);
  }

  #checkSoon(after = CHECK_AFTER) {
    clearTimeout(this.#timer);
    this.#takeDate();
    this.#timer = setTimeout(() => this.#run(), after);
  }

  // The date that the YAML names is the field's until somebody sets another.
  #takeDate() {
    const { yaml, asOf } = this.#at;
    const named = yaml.value.match(/#\s*as-of:\s*(\d{4}-\d\d-\d\d)/i)?.[1] ?? "";
    if (asOf.value === this.#asOfFrom) asOf.value = named;
    this.#asOfFrom = named;
  }

  async #run() {
    const { yaml, asOf, checking } = this.#at;
    this.#check?.abort();
    if (!yaml.value.trim()) return this.#showResult({});
    this.#check = new AbortController();
    checking.hidden = false;
    try {
      const json = { definition: yaml.value, as_of: asOf.value || null, target: this.#target.value || null };
      this.#showResult(await api(`${this.#page.api}environments/check/`, { method: "POST", json, signal: this.#check.signal }));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#showResult({ errors: error.details?.errors ?? [{ message: error.message }] });
    }
    checking.hidden = true;
  }

  #showResult({ interpreter = null, notes = [], errors = [] }) {
    const python = interpreter?.version ? `Python ${interpreter.version}` : null;
    const fine = python && !errors.length ? [alert("success", `It can be read: ${python} will be used.`)] : [];
    const wrong = errors.map((error) => alert("danger", place(error) + (error.message)));
    const said = notes.map((note) => element("li", {}, note.text, note.line ? element("span", { class: "text-secondary" }, ` (line ${note.line})`) : null));
    this.#at.result.replaceChildren(...wrong, ...fine, ...(said.length ? [element("ul", { class: "mb-0 ps-3" }, ...said)] : []));
    this.#at.yaml.classList.toggle("is-invalid", errors.length > 0);
    this.#at.checking.hidden = true;
  }
}

/** An error that belongs to one field of the page. */
export class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

function alert(kind, text) {
  return element("div", { class: `alert alert-${kind} py-2 mb-2`, role: kind === "danger" ? "alert" : "status" }, text);
}

function place({ line, key }) {
  return line ? `Line ${line}${key ? `, ${key}` : ""}: ` : key ? `${key}: ` : "";
}

function nameOf(path) {
  return path.split("/").at(-1).replace(/\.ya?ml$/i, "");
}
