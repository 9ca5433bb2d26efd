// "?" help, "/" search, "g" and a letter goes to the link with that data-go.
let waiting = false;

const isTyping = (element) => element.matches("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (waiting) {
    waiting = false;
    const link = document.querySelector(`a[data-go="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      link.click();
    }
    return;
  }
  if (event.key === "g") {
    waiting = true;
    setTimeout(() => (waiting = false), 1500);
  } else if (event.key === "?") {
    event.preventDefault();
    document.getElementById("shortcuts")?.showModal();
  } else if (event.key === "/") {
    const field = document.querySelector("[data-search], input[type=search]");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  }
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-shortcuts]")) document.getElementById("shortcuts").showModal();
});
