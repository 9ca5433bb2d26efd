// Shows lines in blocks: only the blocks near the viewport have content, the others are empty boxes of the right height.

import { AnsiUp } from "../../vendor/ansi_up/ansi_up.js";
import { element } from "./format.js";

const BLOCK = 200;
const LINE_HEIGHT = 20; // as in run.css
const LONGEST = 20_000; // characters of one line that are shown
const NEAR = "800px 0px";

export class LogView {
  #box;
  #lines;
  #blocks = [];
  #observer;
  #ansi = new AnsiUp();
  #query = "";
  #current = -1;

  constructor(box, lines) {
    this.#box = box;
    this.#lines = lines;
    this.#ansi.use_classes = true;
    this.#ansi.url_allowlist = {}; // a link that a log makes is nobody's of ours
    this.#box.replaceChildren();
    this.#observer = new IntersectionObserver((seen) => this.#onSeen(seen), { root: box, rootMargin: NEAR });
  }

  close() {
    this.#observer.disconnect();
  }

  /** Brings the blocks up to date from line `from` on. */
  grow(from) {
    const wanted = Math.ceil(this.#lines.length / BLOCK);
    while (this.#blocks.length < wanted) {
      const block = element("div", { class: "log-block" });
      block.at = this.#blocks.length;
      this.#blocks.push(block);
      this.#box.append(block);
      this.#observer.observe(block);
    }
    for (let at = Math.floor(from / BLOCK); at < wanted; at += 1) {
      const block = this.#blocks[at];
      if (block.filled) this.#fill(block, from);
      else block.style.height = `${this.#countOf(block) * LINE_HEIGHT}px`;
    }
  }

  scrollToEnd() {
    const last = this.#blocks.at(-1);
    if (last && !last.filled) this.#fill(last);
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  /** Scrolls to a line and marks it. */
  reveal(index) {
    const block = this.#blocks[Math.floor(index / BLOCK)];
    if (!block) return;
    if (!block.filled) this.#fill(block);
    this.#box.querySelector(".log-line.is-target")?.classList.remove("is-target");
    const line = block.children[index % BLOCK];
    line.classList.add("is-target");
    const middle = line.offsetTop - (this.#box.clientHeight - line.offsetHeight) / 2;
    this.#box.scrollTo({ top: Math.max(0, middle) });
  }

  /** Lines are marked that hold `query`; `current` is the one that the person has stepped to. */
  highlight(query, current) {
    this.#query = query.toLowerCase();
    this.#current = current;
    for (const block of this.#blocks) if (block.filled) this.#mark(block, 0);
    this.#paint();
  }

  /** Estimates are made anew; the first visible line stays where it is. */
  setWrap(wrap) {
    const top = this.#blocks.find((block) => block.offsetTop + block.offsetHeight > this.#box.scrollTop);
    const line = [...(top?.children ?? [])].find((row) => row.offsetTop + row.offsetHeight > this.#box.scrollTop);
    this.#box.classList.toggle("is-wrapped", wrap);
    for (const block of this.#blocks) if (!block.filled) block.style.height = `${this.#countOf(block) * LINE_HEIGHT}px`;
    if (line) this.#box.scrollTop = line.offsetTop;
  }

  #onSeen(seen) {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting && !target.filled) this.#fill(target);
      else if (!isIntersecting && target.filled) this.#empty(target);
    }
    this.#paint();
  }

  #fill(block, from = 0) {
    const first = block.at * BLOCK;
    const start = Math.max(0, from - first);
    while (block.children.length > start) block.lastChild.remove();
    let html = "";
    for (let index = first + block.children.length; index < first + this.#countOf(block); index += 1) html += this.#row(index);
    block.insertAdjacentHTML("beforeend", html); // ansi_up escapes the text
    block.filled = true;
    block.style.height = "";
    if (this.#query) this.#mark(block, start);
  }

  #empty(block) {
    block.style.height = `${block.offsetHeight}px`;
    block.replaceChildren();
    block.filled = false;
  }

  #row(index) {
    const text = this.#lines.shown(index);
    const more = text.length - LONGEST;
    const cut = more > 0 ? ` <em class="log-more">… ${more.toLocaleString("en")} more characters; download the log to see them</em>` : "";
    const number = index + 1;
    const marker = text.startsWith("[mlportal]") ? " is-marker" : "";
    const html = this.#ansi.ansi_to_html(`\x1b[0m${more > 0 ? text.slice(0, LONGEST) : text}`);
    this.#ansi.ansi_to_html("\x1b[0m"); // drops half an escape sequence at the end, which would begin the next line
    return `<div class="log-line${marker}"><a class="log-number" href="#log-L${number}" aria-label="Line ${number}">${number}</a><span class="log-text">${html}${cut}</span></div>`;
  }

  #countOf(block) {
    return Math.min(BLOCK, this.#lines.length - block.at * BLOCK);
  }

  #mark(block, start) {
    for (let row = start; row < block.children.length; row += 1) {
      const index = block.at * BLOCK + row;
      const found = this.#query !== "" && this.#lines.plain(index).toLowerCase().includes(this.#query);
      block.children[row].classList.toggle("is-found", found);
      block.children[row].classList.toggle("is-current", index === this.#current);
    }
  }

  // The words themselves, where the browser can paint ranges; elsewhere the marked lines have to do.
  #paint() {
    if (!globalThis.CSS?.highlights) return;
    const ranges = [];
    for (const text of this.#query ? this.#box.querySelectorAll(".is-found > .log-text") : []) {
      const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
      while (walker.nextNode() && ranges.length < 2000) {
        const words = walker.currentNode.data.toLowerCase();
        for (let at = words.indexOf(this.#query); at >= 0; at = words.indexOf(this.#query, at + this.#query.length)) {
          const range = new Range();
          range.setStart(walker.currentNode, at);
          range.setEnd(walker.currentNode, Math.min(at + this.#query.length, walker.currentNode.length));
          ranges.push(range);
        }
      }
    }
    CSS.highlights.set("log-search", new Highlight(...ranges));
  }
}
