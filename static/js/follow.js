// [data-follow]: a scrolling box that stays at its end while it grows, unless somebody scrolled up.
const isAtEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 40;

document.addEventListener("htmx:beforeSwap", (event) => {
  const box = event.detail.target.closest?.("[data-follow]");
  if (box) box.dataset.wasAtEnd = isAtEnd(box) ? "1" : "";
});
document.addEventListener("htmx:afterSettle", () => {
  for (const box of document.querySelectorAll("[data-follow]")) if (box.dataset.wasAtEnd !== "") box.scrollTop = box.scrollHeight;
});
for (const box of document.querySelectorAll("[data-follow]")) box.scrollTop = box.scrollHeight;
