// Step 1: the code. Drop or pick, upload with real progress, then see what was taken and what was left out.

import { bytes, element } from "../run/format.js";
import { api } from "../run/http.js";
import { fromDrop, fromInput, withoutNeverTaken } from "./collect.js";
import { fileTree } from "./tree.js";
import { upload } from "./upload.js";

/** Dispatches `snapshot` with the snapshot's JSON (or null) whenever it changes. */
export class SnapshotStep extends EventTarget {
  snapshot = null;
  #page;
  #at = {};
  #upload = null;

  constructor(card, page) {
    super();
    this.#page = page;
    for (const part of card.querySelectorAll("[data-snapshot]")) this.#at[part.dataset.snapshot] = part;
    const { drop, folder, files, zip, example, stop, again } = this.#at;
    for (const input of [folder, files, zip]) input.addEventListener("change", () => this.#onPicked(input));
    drop.addEventListener("dragover", (event) => this.#onDragOver(event));
    drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
    drop.addEventListener("drop", (event) => this.#onDrop(event));
    example.addEventListener("click", () => this.#takeExample());
    stop.addEventListener("click", () => this.#upload?.abort());
    again.addEventListener("click", () => this.#show(null));
    // A file that misses the zone would replace the page, and all that was filled in.
    for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
    // Somebody may have been faster than this script.
    for (const input of [folder, files, zip]) if (input.files.length) this.#onPicked(input);
  }

  /** Shows a snapshot that the portal has already. */
  async load(uid) {
    this.#show(await api(`${this.#page.api}snapshots/${uid}/`));
  }

  #onDragOver(event) {
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    this.#at.drop.classList.add("is-over");
  }

  async #onDrop(event) {
    event.preventDefault();
    this.#at.drop.classList.remove("is-over");
    try {
      await this.#take(await fromDrop(event.dataTransfer));
    } catch (error) {
      this.#tell(`The browser could not read what was dropped: ${error.message}`);
    }
  }

  async #onPicked(input) {
    const files = withoutNeverTaken(fromInput(input.files));
    await this.#take(files);
    input.value = "";
  }

  async #take(files) {
    if (!files.length) return this.#tell("There is no file in it.");
    const total = files.reduce((sum, { file }) => sum + file.size, 0);
    this.#upload = new AbortController();
    this.#setBusy(true, `${files.length.toLocaleString("en")} ${files.length === 1 ? "file" : "files"}, ${bytes(total)}`);
    try {
      const progress = (sent, all) => this.#setProgress(sent, all);
      this.#show(await upload(`${this.#page.api}snapshots/`, files, progress, this.#upload.signal));
    } catch (error) {
      if (error.name !== "AbortError") this.#tell(error.message, error.details?.entry);
    } finally {
      this.#setBusy(false);
    }
  }

  async #takeExample() {
    this.#setBusy(true, "the iris example");
    try {
      const { snapshot, ...choices } = await api(this.#page.example, { method: "POST" });
      this.dispatchEvent(new CustomEvent("example", { detail: choices }));
      await this.load(snapshot);
    } catch (error) {
      this.#tell(error.message);
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy, what = "") {
    const { progress, drop, what: label, bar, share } = this.#at;
    progress.hidden = !busy;
    drop.hidden = busy || this.snapshot !== null;
    label.textContent = what;
    if (!busy) return;
    this.#tell(null);
    bar.style.width = "0";
    share.textContent = "";
  }

  #setProgress(sent, all) {
    const percent = all ? Math.floor((100 * sent) / all) : 100;
    this.#at.bar.style.width = `${percent}%`;
    this.#at.bar.parentElement.setAttribute("aria-valuenow", percent);
    this.#at.share.textContent = sent < all ? `${percent} %, ${bytes(sent)} of ${bytes(all)}` : "uploaded, the portal is looking through it…";
  }

  #show(snapshot) {
    this.snapshot = snapshot;
    const { drop, taken, tree, summary, ignored, ignoredCount, ignoredList, notes, limits } = this.#at;
    drop.hidden = snapshot !== null;
    taken.hidden = snapshot === null;
    this.#tell(null);
    if (snapshot) {
      tree.replaceChildren(fileTree(snapshot.files));
      const { max_files: files, max_bytes: size } = this.#page.limits;
      summary.textContent = `${snapshot.file_count.toLocaleString("en")} of ${files.toLocaleString("en")} files, ${bytes(snapshot.size)} of ${bytes(size)}`;
      limits.value = Math.max(snapshot.file_count / files, snapshot.size / size);
      notes.replaceChildren(...snapshot.notes.map((note) => element("p", { class: "text-secondary mb-2" }, note)));
      ignored.hidden = snapshot.ignored.length === 0;
      ignoredCount.textContent = `${snapshot.ignored.length.toLocaleString("en")} left out`;
      ignoredList.replaceChildren(...snapshot.ignored.slice(0, 500).map(leftOut));
    }
    this.dispatchEvent(new CustomEvent("snapshot", { detail: snapshot }));
  }

  #tell(message, entry = "") {
    const { problem } = this.#at;
    problem.hidden = !message;
    const named = entry && !message.includes(entry) ? `${entry}: ` : "";
    problem.textContent = message ? named + message : "";
  }
}

function leftOut({ name, size, why }) {
  const words = element("span", { class: "text-secondary" }, ` ${bytes(size)}, by ${why}`);
  return element("li", { class: "text-break" }, element("span", { class: "font-monospace" }, name), words);
}
