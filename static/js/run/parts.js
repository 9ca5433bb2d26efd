// The parts of the page that the server renders: after a change they are fetched again and exchanged, whole.

import { element } from "./format.js";

const AFTER_ANSWER = 500;

/** Exchanges every `[data-part]` for its new rendering, except one in which the person is typing. */
export class Parts {
  #url;
  #running = null;
  #again = false;

  constructor(url) {
    this.#url = url;
  }

  /** One request at a time; a call during one leads to exactly one more. */
  async refresh() {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#exchange().finally(() => (this.#running = null));
    await this.#running;
    if (this.#again) {
      this.#again = false;
      return this.refresh();
    }
  }

  // A form that a dialog asks about must still be there when the answer comes.
  #isAsked() {
    const dialog = document.querySelector("dialog[open]");
    dialog?.addEventListener("close", () => setTimeout(() => this.refresh(), AFTER_ANSWER), { once: true });
    return Boolean(dialog);
  }

  async #exchange() {
    const response = await fetch(this.#url, { credentials: "same-origin" }).catch(() => null);
    if (!response?.ok || response.redirected || this.#isAsked()) return;
    const fresh = element("template");
    fresh.innerHTML = await response.text(); // rendered by our own templates, which escape
    for (const part of fresh.content.querySelectorAll("[data-part]")) {
      const old = document.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!old || old.innerHTML === part.innerHTML || old.querySelector("input:focus, textarea:focus")) continue;
      const open = new Set([...old.querySelectorAll("details[open][id]")].map((details) => details.id));
      const shut = new Set([...old.querySelectorAll("details[id]:not([open])")].map((details) => details.id));
      const focused = old.contains(document.activeElement) && document.activeElement.id;
      old.replaceWith(part);
      for (const details of part.querySelectorAll("details[id]")) {
        if (open.has(details.id)) details.open = true;
        if (shut.has(details.id)) details.open = false;
      }
      if (focused) focusAgain(focused);
      part.dispatchEvent(new CustomEvent("part:exchanged", { bubbles: true, detail: part.dataset.part }));
    }
  }
}

/** Focuses what stands under the id now; the heading when it is gone, or can be pressed no more. */
export function focusAgain(id) {
  const found = document.getElementById(id);
  (found && !found.disabled ? found : document.querySelector("h1")).focus({ preventScroll: true });
}
