// What every page has. Each part listens on the document, so that fragments swapped in by htmx need no set-up.
import "./time.js";
import "./confirm.js";
import "./copy.js";
import "./shortcuts.js";
import "./swaps.js";
import "./forms.js";
import "./mlflow-links.js";
import { toast } from "./toast.js";

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-choice]");
  if (!choice) return;
  event.stopPropagation();
  window.setPortalTheme(choice.dataset.themeChoice);
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  toast(page.querySelector("[data-error-code]")?.textContent.trim() || `The portal answered ${xhr.status}.`, "error");
});

let away = false;
document.addEventListener("htmx:sendError", () => {
  if (!away) toast("The portal does not answer. This page goes on trying.", "warning");
  away = true;
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (away && event.detail.successful) {
    away = false;
    toast("The portal answers again.", "success");
  }
});
