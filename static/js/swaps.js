// What a swap by htmx would lose: which <details id> are open, how far boxes are scrolled, and the focus of a <summary>.
//   [data-follow]           a scrolling box that stays at its end while it grows, unless somebody scrolled up
//   [data-keeps-scroll]     a scrolling box that stays where it is when it is drawn anew
// Both need an id where they are swapped themselves.
const BOXES = "[data-follow], [data-keeps-scroll]";
const isAtEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 40;
const nameOf = (box) => box.id || box;

let opened = new Map(); // id → [the element, was it open]
let places = new Map(); // id, or the box → [the element, how far, was it at its end]
let summary = null; // the id of the details whose summary had the focus

document.addEventListener("htmx:beforeSwap", () => {
  opened = new Map([...document.querySelectorAll("details[id]")].map((details) => [details.id, [details, details.open]]));
  places = new Map([...document.querySelectorAll(BOXES)].map((box) => [nameOf(box), [box, box.scrollTop, isAtEnd(box)]]));
  summary = document.activeElement?.matches("details[id] > summary") ? document.activeElement.parentElement.id : null;
});

document.addEventListener("htmx:afterSettle", () => {
  for (const [id, [before, wasOpen]] of opened) {
    const now = document.getElementById(id);
    if (now && now !== before) now.open = wasOpen;
  }
  for (const box of document.querySelectorAll(BOXES)) {
    const [before, top, wasAtEnd] = places.get(nameOf(box)) ?? [null, 0, true];
    if (wasAtEnd && "follow" in box.dataset) box.scrollTop = box.scrollHeight;
    else if (before !== box) box.scrollTop = top;
  }
  if (summary && document.activeElement === document.body) document.querySelector(`#${CSS.escape(summary)} > summary`)?.focus({ preventScroll: true });
});

for (const box of document.querySelectorAll("[data-follow]")) box.scrollTop = box.scrollHeight;
