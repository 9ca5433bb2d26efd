// The dialog of columns: names are narrowed down while one types, and what is not chosen is left out of the address.
export function setUpColumns() {
  document.addEventListener("input", (event) => {
    const box = event.target.dataset?.narrow && document.querySelector(event.target.dataset.narrow);
    if (!box) return;
    const text = event.target.value.toLowerCase();
    for (const choice of box.querySelectorAll("[data-name]")) choice.hidden = !choice.dataset.name.toLowerCase().includes(text);
    for (const group of box.querySelectorAll("fieldset")) group.hidden = !group.querySelector("[data-name]:not([hidden])");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.dataset?.narrow) event.preventDefault();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-drop-empty]")) return;
    for (const field of event.target.querySelectorAll("select")) field.disabled = !field.value;
  });
  window.addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[data-drop-empty] select")) field.disabled = false;
  });
}
