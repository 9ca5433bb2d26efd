// Small helps for forms, by attribute:
//   input[type=file][data-fill="#textarea"]   puts the file's text there (files can be dropped on the textarea, too)
//   button[data-line="12"][data-in="#textarea"]   goes to that line
//   form[data-once]   cannot be sent twice by a double click
//   select[data-submit-on-change]   sends its form
function fill(area, file) {
  if (file.size > 1_000_000) return;
  file.text().then((text) => {
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

document.addEventListener("change", (event) => {
  const { files, dataset } = event.target;
  if (dataset?.fill && files?.length) {
    fill(document.querySelector(dataset.fill), files[0]);
    event.target.value = "";
  }
});
document.addEventListener("dragover", (event) => {
  if (event.target.matches?.("textarea[data-drop]")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  if (!event.target.matches?.("textarea[data-drop]") || !event.dataTransfer.files.length) return;
  event.preventDefault();
  fill(event.target, event.dataTransfer.files[0]);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-line][data-in]");
  if (!button) return;
  const area = document.querySelector(button.dataset.in);
  const lines = area.value.split("\n");
  const at = Math.min(Number(button.dataset.line), lines.length) - 1;
  const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
  area.focus();
  area.setSelectionRange(start, start + lines[at].length);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-once]")) return;
  // After the event: a disabled button's name and value would not be sent.
  setTimeout(() => form.querySelectorAll("button[type=submit]").forEach((button) => (button.disabled = true)));
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-once] button[type=submit]").forEach((button) => (button.disabled = false));
});
document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-submit-on-change]")) event.target.form.requestSubmit();
});
