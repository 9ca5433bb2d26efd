// The files and code tabs: a tree on the left, the file that was picked on the right.

import { preview } from "./preview.js";

const ARTIFACT_LIMIT = 64 * 1024;
const CODE_LIMIT = 200 * 1024;

/** Files are `[data-artifact]` or `[data-code]` buttons with data-url, data-size and perhaps data-download. */
export function setUpFiles(root) {
  root.addEventListener("click", (event) => {
    const file = event.target.closest("[data-artifact], [data-code]");
    if (file) open(file);
  });
}

/** Opens the script the first time that the code tab is shown. */
export function openScript(panel) {
  const file = panel.querySelector("[data-code][data-entry]") ?? panel.querySelector("[data-code]");
  if (file && !panel.querySelector("[data-code].active")) open(file);
}

function open(file) {
  const { url, size, download, artifact, code } = file.dataset;
  const panel = file.closest("[role=tabpanel]");
  for (const other of panel.querySelectorAll("[data-artifact].active, [data-code].active")) other.classList.remove("active");
  file.classList.add("active");
  const limit = artifact === undefined ? CODE_LIMIT : ARTIFACT_LIMIT;
  const box = panel.querySelector("[data-preview]");
  preview(box, { url, download, name: artifact ?? code, size: Number(size), limit });
  if (window.matchMedia("(max-width: 991px)").matches) box.scrollIntoView({ block: "nearest", behavior: "smooth" });
}
