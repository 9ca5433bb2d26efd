// Tabs that live in the address: `#logs` opens the logs, and so does `#log-L120`, which also names a line.

export class Tabs {
  #tabs;
  #listeners = new Map();

  constructor(list) {
    this.#tabs = [...list.querySelectorAll("[role=tab]")];
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("click", (event) => this.#onClick(event));
    window.addEventListener("hashchange", () => this.#follow());
  }

  /** Calls `listener` whenever the tab is shown, with what the address says after the tab's name ("L120" or ""). */
  onShow(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }

  start() {
    this.#follow();
  }

  get current() {
    return this.#tabs.find((tab) => tab.getAttribute("aria-selected") === "true")?.dataset.tab;
  }

  show(name, rest = "") {
    for (const tab of this.#tabs) {
      const active = tab.dataset.tab === name;
      tab.classList.toggle("active", active);
      tab.setAttribute("aria-selected", String(active));
      tab.tabIndex = active ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !active;
      if (active) tab.parentElement.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    for (const listener of this.#listeners.get(name) ?? []) listener(rest);
  }

  #follow() {
    const hash = decodeURIComponent(location.hash.slice(1));
    if (/^log-L\d+$/.test(hash)) return this.show("logs", hash.slice(4));
    const known = this.#tabs.some((tab) => tab.dataset.tab === hash);
    if (known || !hash) this.show(known ? hash : this.#tabs[0].dataset.tab);
  }

  #onClick(event) {
    const tab = event.target.closest("[role=tab]");
    if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(null, "", `#${tab.dataset.tab}`);
    this.show(tab.dataset.tab);
  }

  #onKey(event) {
    const at = this.#tabs.indexOf(document.activeElement);
    const last = this.#tabs.length - 1;
    const next = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    this.#tabs[next].focus();
    this.#tabs[next].click();
  }
}
