// How one of the runs differs from another; the portal renders it, file by file when somebody opens one.

import { send } from "../run/http.js";
import { address } from "./address.js";

export class DifferencePanel {
  #page;
  #at = {};
  #shown = "";

  constructor(panel, page) {
    this.#page = page;
    for (const part of panel.querySelectorAll("[data-two]")) this.#at[part.dataset.two] = part;
    if (!this.#at.difference) return; // less than two runs
    for (const side of ["before", "after"]) {
      const asked = address.get(side);
      if (page.runs.some((run) => run.uid === asked)) this.#at[side].value = asked;
      this.#at[side].addEventListener("change", () => this.#choose());
    }
    this.#at.swap.addEventListener("click", () => {
      [this.#at.before.value, this.#at.after.value] = [this.#at.after.value, this.#at.before.value];
      this.#choose();
    });
    // "toggle" does not bubble.
    this.#at.difference.addEventListener("toggle", (event) => openFile(event.target), true);
  }

  async show() {
    if (!this.#at.difference) return;
    const { before, after, difference, problem } = this.#at;
    const query = `${new URLSearchParams({ before: before.value, after: after.value })}`;
    if (query === this.#shown) return;
    this.#shown = query;
    difference.setAttribute("aria-busy", "true");
    try {
      const html = await (await send(`${this.#page.difference}?${query}`)).text();
      if (query !== this.#shown) return; // another pair was chosen meanwhile
      difference.innerHTML = html; // rendered by our own templates, which escape
      problem.hidden = true;
    } catch (error) {
      this.#shown = "";
      difference.replaceChildren();
      problem.textContent = `The difference could not be read: ${error.message}`;
      problem.hidden = false;
    }
    difference.setAttribute("aria-busy", "false");
  }

  #choose() {
    address.set({ before: this.#at.before.value, after: this.#at.after.value });
    this.show();
  }
}

async function openFile(details) {
  if (!details.open || !details.dataset.diff || details.dataset.asked) return;
  details.dataset.asked = "1";
  const body = details.querySelector("[data-diff-body]");
  try {
    body.innerHTML = await (await send(details.dataset.diff)).text();
  } catch (error) {
    delete details.dataset.asked; // the next opening tries again
    body.textContent = error.message;
    body.className = "p-3 text-danger";
  }
}
