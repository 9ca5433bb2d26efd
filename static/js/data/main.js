// The data store: files are sent in batches, then put under their names all at once; what is there already is asked about.

import { ask } from "../confirm.js";
import { setUpDialogs } from "../run/dialogs.js";
import { bytes } from "../run/format.js";
import { api } from "../run/http.js";
import { sendBlobs } from "../submit/blobs.js";
import { fromDrop, fromInput } from "../submit/collect.js";

setUpDialogs(document);
const card = document.getElementById("upload");
if (card) setUp(card);

function setUp(card) {
  const at = Object.fromEntries([...card.querySelectorAll("[data-upload]")].map((part) => [part.dataset.upload, part]));
  const { api: root, folder } = card.dataset;
  let running = null;

  for (const input of [at.files, at.folder]) {
    input.addEventListener("change", async () => {
      const files = fromInput(input.files);
      await take(files);
      input.value = "";
    });
  }
  at.drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    at.drop.classList.add("is-over");
  });
  at.drop.addEventListener("dragleave", () => at.drop.classList.remove("is-over"));
  at.drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    at.drop.classList.remove("is-over");
    try {
      await take(await fromDrop(event.dataTransfer));
    } catch (error) {
      tell(`The browser could not read what was dropped: ${error.message}`);
    }
  });
  at.stop.addEventListener("click", () => running?.abort());
  // A file that misses the zone would replace the page.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  window.addEventListener("beforeunload", (event) => running && event.preventDefault());

  async function take(files) {
    if (!files.length) return tell("There is no file in it.");
    running = new AbortController();
    setBusy(true, `${files.length.toLocaleString("en")} ${files.length === 1 ? "file" : "files"}`);
    try {
      const entries = await send(files);
      const changed = await put(entries);
      running = null;
      if (changed) location.reload();
    } catch (error) {
      if (error.name !== "AbortError") tell(error.message);
    } finally {
      running = null;
      setBusy(false);
    }
  }

  /** Sends the bytes; resolves to what names them: [{path, sha256}, …]. */
  async function send(files) {
    const entries = await sendBlobs(root, files, setProgress, running.signal);
    return entries.map(({ path, sha256 }) => ({ path: folder ? `${folder}/${path}` : path, sha256 }));
  }

  /** Puts them into the store; whether anything changed. */
  async function put(entries) {
    const { files, skipped } = await api(`${root}data/files/`, { method: "POST", json: { entries } });
    if (!skipped.length) return true;
    const some = skipped.slice(0, 5).join(", ") + (skipped.length > 5 ? ", …" : "");
    const words = `${skipped.length === 1 ? "This file is" : `These ${skipped.length} files are`} there already: ${some}. Datasets that were made of what is there keep it.`;
    const title = skipped.length === 1 ? "Replace the file?" : "Replace the files?";
    if (!(await ask(words, { title, button: "Replace", keep: "Keep what is there" }))) return files.length > 0;
    const names = new Set(skipped.map((path) => path.normalize("NFC")));
    const again = entries.filter(({ path }) => names.has(path.normalize("NFC")));
    await api(`${root}data/files/`, { method: "POST", json: { entries: again, overwrite: true } });
    return true;
  }

  function setBusy(busy, what = "") {
    at.progress.hidden = !busy;
    at.drop.hidden = busy;
    at.what.textContent = what;
    if (!busy) return;
    tell(null);
    setProgress(0, 0);
  }

  function setProgress(sent, total) {
    const percent = total ? Math.floor((100 * sent) / total) : 0;
    at.bar.style.width = `${percent}%`;
    at.bar.parentElement.setAttribute("aria-valuenow", percent);
    at.share.textContent = total ? `${percent} %, ${bytes(sent)} of ${bytes(total)}` : "";
  }

  function tell(message) {
    at.problem.hidden = !message;
    at.problem.textContent = message ?? "";
  }
}
