// Short messages at the corner of the page. Errors and warnings stay until they are closed.
const stack = () => document.getElementById("toasts");
const SECONDS = { success: 5, info: 5, debug: 5 };

export function toast(text, kind = "info") {
  const item = document.createElement("div");
  item.className = `toast show toast-${kind}`;
  const body = document.createElement("div");
  body.className = "toast-body";
  const mark = document.createElement("span");
  mark.className = "toast-mark";
  const words = document.createElement("span");
  words.className = "toast-text";
  words.textContent = text;
  const close = document.createElement("button");
  close.className = "btn-close";
  close.type = "button";
  close.dataset.closeToast = "";
  close.setAttribute("aria-label", "Close");
  body.append(mark, words, close);
  item.append(body);
  stack().append(item);
  leaveLater(item);
}

function leaveLater(item) {
  if (item.querySelector("form")) return; // who wants to undo something may take their time
  const kind = Object.keys(SECONDS).find((name) => item.classList.contains(`toast-${name}`));
  if (kind) setTimeout(() => item.remove(), SECONDS[kind] * 1000);
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close-toast]")) event.target.closest(".toast").remove();
});
document.addEventListener("portal:toast", (event) => toast(event.detail.text, event.detail.kind));
stack()?.querySelectorAll("[data-toast], .toast").forEach(leaveLater);
