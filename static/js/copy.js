// data-copy="text", or data-copy-from="#element", on a button.
import { toast } from "./toast.js";

export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without https, browsers keep the clipboard from everybody but localhost.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser refused");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  try {
    await copy(source ? (source.value ?? source.textContent) : button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
    toast("Copied.", "success");
  } catch {
    toast("The browser did not let the page copy; select the text and copy it by hand.", "error");
  }
});
