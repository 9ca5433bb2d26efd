// "Save as golden request" beside the console: the service is asked once more, and what it answers is what it owes from then on.

import { api } from "../run/http.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-golden]");
  if (!button || button.disabled) return;
  const said = button.parentElement.querySelector("[data-golden-said]");
  button.disabled = true;
  said.textContent = "";
  try {
    const request = JSON.parse(document.querySelector("[data-console-request]").value);
    const golden = await api(button.dataset.golden, { method: "POST", json: { request } });
    said.textContent = `Saved as “${golden.name}” of ${golden.version}.`;
  } catch (error) {
    said.textContent = error instanceof SyntaxError ? `The request is not JSON: ${error.message}` : error.message;
  } finally {
    button.disabled = false;
  }
});
