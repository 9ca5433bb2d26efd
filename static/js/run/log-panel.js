// The log tab: which file, loading it, following it, searching in it, links to its lines.

import { bytes, element } from "./format.js";
import { api, send } from "./http.js";
import { LogLines } from "./log-lines.js";
import { LogView } from "./log-view.js";

const PART = 1 << 20;
const LIST_EVERY = 5000;

export class LogPanel {
  #page;
  #stream;
  #at = {};
  #lines = new LogLines();
  #view = null;
  #name = "";
  #offset = 0;
  #loading = null;
  #follow = true;
  #top = 0;
  #found = [];
  #current = -1;
  #ended;
  #files = [];

  constructor(panel, page, stream) {
    this.#page = page;
    this.#stream = stream;
    this.#ended = page.final;
    for (const part of panel.querySelectorAll("[data-log]")) this.#at[part.dataset.log] = part;
    const at = this.#at;
    at.file.addEventListener("change", () => this.#open(at.file.value));
    at.follow.addEventListener("click", () => this.#setFollow(!this.#follow));
    at.wrap.addEventListener("click", () => this.#setWrap());
    at.error.addEventListener("click", () => this.#toFirstError());
    at.box.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    at.search.addEventListener("input", () => this.#searchSoon());
    at.search.addEventListener("keydown", (event) => this.#onSearchKey(event));
    at.next.addEventListener("click", () => this.#step(1));
    at.previous.addEventListener("click", () => this.#step(-1));
    stream.addEventListener("log", (event) => this.#onLog(event.detail));
    if (!this.#ended) setInterval(() => !this.#ended && this.#name && !document.hidden && this.#list(), LIST_EVERY);
  }

  /** Called when the tab is shown: `rest` is "L120" when the address names a line, or "error" for the first error. */
  async show(rest = "") {
    if (!this.#name) {
      await this.#list();
      await this.#open(this.#files[0]?.name ?? "user_logs/std_log.txt", { quiet: Boolean(rest) });
    } else if (this.#follow) this.#view.scrollToEnd();
    if (rest === "error") return this.#toFirstError();
    if (rest) this.#reveal(Number(rest.slice(1)) - 1);
  }

  /** The run is final: what is missing is fetched once more, then nothing moves any longer. */
  async end() {
    this.#ended = true;
    if (!this.#name) return;
    await this.#list();
    await this.#load();
    this.#tellState();
  }

  async #list() {
    try {
      this.#files = await api(`${this.#page.api}logs/`);
    } catch {
      return; // the next look tells; what is shown stays
    }
    const { file } = this.#at;
    for (const { name, size } of this.#files) {
      const label = `${name} (${bytes(size)})`;
      const known = [...file.options].find((option) => option.value === name);
      if (!known) file.append(element("option", { value: name }, label));
      else if (known.textContent !== label) known.textContent = label;
    }
  }

  async #open(name, { quiet = false } = {}) {
    this.#name = name;
    this.#at.file.value = name;
    this.#at.download.href = `${this.#page.api}logs/content/?${new URLSearchParams({ name, download: 1 })}`;
    this.#view?.close();
    this.#lines = new LogLines();
    this.#view = new LogView(this.#at.box, this.#lines);
    this.#offset = 0;
    this.#setFollow(!quiet && !this.#ended);
    this.#clearSearch();
    this.#at.empty.hidden = true;
    await this.#load();
    if (name === this.#name && !this.#ended) this.#stream.follow(name, this.#offset);
  }

  // One load at a time, so that no byte is added twice.
  #load() {
    this.#loading = (this.#loading ?? Promise.resolve()).then(() => this.#loadParts(this.#name));
    return this.#loading;
  }

  async #loadParts(name) {
    this.#at.busy.hidden = false;
    try {
      for (let more = true; more && name === this.#name; ) {
        const query = new URLSearchParams({ name, offset: this.#offset, limit: PART });
        const response = await send(`${this.#page.api}logs/content/?${query}`);
        const data = new Uint8Array(await response.arrayBuffer());
        if (name !== this.#name) return;
        const whole = data.length < PART ? data.length : lengthOfWholeCharacters(data);
        more = data.length === PART;
        this.#add(new TextDecoder().decode(data.subarray(0, whole)), this.#offset, this.#offset + whole);
      }
      this.#at.problem.hidden = true;
    } catch (error) {
      this.#at.problem.textContent = `The log could not be read: ${error.message}`;
      this.#at.problem.hidden = false;
    } finally {
      this.#at.busy.hidden = true;
      this.#tellState();
    }
  }

  #onLog({ name, offset, next_offset: next, text }) {
    if (name !== this.#name || next <= this.#offset) return;
    if (offset !== this.#offset) return void this.#load(); // a gap or an overlap: the content itself knows best
    this.#add(text, offset, next);
    this.#tellState();
  }

  #add(text, offset, next) {
    this.#offset = next;
    if (!text) return;
    const from = this.#lines.append(text.replaceAll("\0", "\ufffd"), offset);
    this.#view.grow(from);
    if (this.#follow) this.#view.scrollToEnd();
    if (this.#at.search.value) this.#searchFrom(from);
  }

  #tellState() {
    const count = this.#lines.length;
    const { empty, count: counter, live } = this.#at;
    empty.hidden = count > 0;
    empty.textContent = this.#ended ? "Nothing was written to this log." : "Nothing yet. What the script prints appears here at once.";
    counter.textContent = `${count.toLocaleString("en")} ${count === 1 ? "line" : "lines"}`;
    live.hidden = this.#ended || this.#page.status !== "Running";
    this.#at.follow.hidden = this.#ended;
  }

  #setFollow(follow) {
    this.#follow = follow && !this.#ended;
    this.#at.follow.setAttribute("aria-pressed", String(this.#follow));
    this.#at.follow.querySelector("[data-label]").textContent = this.#follow ? "Following" : "Follow";
    if (this.#follow) this.#view?.scrollToEnd();
  }

  #setWrap() {
    const wrap = this.#at.wrap.getAttribute("aria-pressed") !== "true";
    this.#at.wrap.setAttribute("aria-pressed", String(wrap));
    this.#view?.setWrap(wrap);
  }

  #onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.#at.box;
    if (scrollTop < this.#top - 2 && this.#follow) this.#setFollow(false);
    else if (!this.#follow && scrollTop > this.#top && scrollTop + clientHeight > scrollHeight - 4) this.#setFollow(true);
    this.#top = scrollTop;
  }

  #reveal(index) {
    this.#setFollow(false);
    this.#view?.reveal(index);
  }

  #toFirstError() {
    const { offset, log } = this.#page.failure ?? {};
    const known = offset > 0 && (log ?? this.#name) === this.#name;
    const index = known ? this.#lines.lineAt(offset) : this.#lines.firstError();
    this.#at.found.textContent = index < 0 ? "No line looks like an error." : "";
    if (index < 0) return;
    history.replaceState(null, "", `#log-L${index + 1}`);
    this.#reveal(index);
  }

  #searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.#found = [];
      this.#current = -1;
      this.#searchFrom(0);
      if (this.#found.length) this.#step(1);
      else this.#view.highlight(this.#at.search.value, -1);
    }, 150);
  }

  #searchFrom(from) {
    const needle = this.#at.search.value;
    this.#found = this.#found.filter((index) => index < from);
    if (needle) this.#found.push(...this.#lines.find(needle, from));
    this.#tellFound();
  }

  #step(by) {
    if (!this.#found.length) return;
    this.#current = (this.#current + by + this.#found.length) % this.#found.length;
    const line = this.#found[this.#current];
    this.#reveal(line);
    this.#view.highlight(this.#at.search.value, line);
    this.#tellFound();
  }

  #tellFound() {
    const { found, search, next, previous } = this.#at;
    const count = this.#found.length;
    if (!search.value) found.textContent = "";
    else found.textContent = count ? `${this.#current + 1} of ${count.toLocaleString("en")}` : "not found";
    next.disabled = previous.disabled = count === 0;
  }

  #clearSearch() {
    this.#at.search.value = "";
    this.#found = [];
    this.#current = -1;
    this.#tellFound();
  }

  #onSearchKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.#step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      this.#clearSearch();
      this.#view?.highlight("", -1);
    }
  }
}

/** How many of the bytes make whole UTF-8 characters: a part of a log may end in the middle of one. */
function lengthOfWholeCharacters(data) {
  for (let back = 1; back <= Math.min(3, data.length); back += 1) {
    const byte = data[data.length - back];
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? data.length - back : data.length;
    if (byte < 0x80) break;
  }
  return data.length;
}
