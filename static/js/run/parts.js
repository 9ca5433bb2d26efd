// The parts of the page that the server renders: after a change they are fetched again and exchanged, whole.

import { element } from "./format.js";

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

  async #exchange() {
    const response = await fetch(this.#url, { credentials: "same-origin" }).catch(() => null);
    if (!response?.ok || response.redirected) return;
    const fresh = element("template");
    fresh.innerHTML = await response.text(); // rendered by our own templates, which escape
    for (const part of fresh.content.querySelectorAll("[data-part]")) {
      const old = document.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!old || old.innerHTML === part.innerHTML || old.querySelector("input:focus, textarea:focus")) continue;
      const open = new Set([...old.querySelectorAll("details[open][id]")].map((details) => details.id));
      const shut = new Set([...old.querySelectorAll("details[id]:not([open])")].map((details) => details.id));
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      old.replaceWith(part);
      for (const details of part.querySelectorAll("details[id]")) {
        if (open.has(details.id)) details.open = true;
        if (shut.has(details.id)) details.open = false;
      }
      if (focused) document.getElementById(focused)?.focus();
      part.dispatchEvent(new CustomEvent("part:exchanged", { bubbles: true, detail: part.dataset.part }));
    }
  }
}
