// Shows the beginning of a file that came out of, or went into, a run. Its bytes become text nodes or an image, nothing else.

import { bytes, element } from "./format.js";
import { send } from "./http.js";

const IMAGES = /\.(?:png|jpe?g|gif|webp)$/i;

/** Fills `box` with the file at `url`: at most `limit` bytes of text, or a picture. */
export async function preview(box, { url, download, name, size, limit }) {
  const link = download ? element("a", { class: "btn btn-sm", href: download }, "Download") : null;
  const title = element("h2", { class: "card-title text-break" }, name);
  const header = element("div", { class: "card-header" }, title, element("div", { class: "card-actions" }, link));
  const body = element("div", { class: "card-body p-0 preview-body", tabindex: "0", "aria-busy": "true" }, message("Loading…"));
  box.replaceChildren(header, body);
  try {
    body.replaceChildren(...(IMAGES.test(name) ? [picture(url, name)] : await text(url, limit, size)));
  } catch (error) {
    body.replaceChildren(message(`The file could not be read: ${error.message}`));
  }
  body.removeAttribute("aria-busy");
}

function picture(url, name) {
  const image = element("img", { src: url, alt: name, class: "img-fluid d-block mx-auto p-3" });
  image.addEventListener("error", () => image.replaceWith(message("This is not a picture that can be shown.")));
  return image;
}

async function text(url, limit, size) {
  const data = await firstBytes(url, limit);
  if (data.length === 0) return [message("The file is empty.")];
  if (data.subarray(0, 8000).includes(0)) return [message("This is not text, so there is no preview.")];
  const lines = new TextDecoder().decode(data).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const numbers = element("code", { class: "preview-numbers", "aria-hidden": "true" }, lines.map((_, at) => at + 1).join("\n"));
  const content = element("code", { class: "preview-text" }, lines.join("\n"));
  const shown = [element("pre", { class: "preview" }, numbers, content)];
  if (size > data.length) shown.push(message(`The first ${bytes(data.length)} of ${bytes(size)}.`));
  return shown;
}

async function firstBytes(url, limit) {
  const response = await send(url);
  const reader = response.body.getReader();
  const parts = [];
  let length = 0;
  while (length < limit) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  await reader.cancel();
  return new Uint8Array(await new Blob(parts).slice(0, limit).arrayBuffer());
}

function message(words) {
  return element("p", { class: "text-secondary p-3 mb-0" }, words);
}
