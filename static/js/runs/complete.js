// input[data-complete="#box"]: offers the names of the buttons [data-insert] in the box for the word at the caret, and a click on
// such a button puts its name there.
const MOST = 12;
const WORD = /[\w.`:/-]*$/;

const offers = (input) => document.getElementById(input.getAttribute("aria-controls"));

/** The word that ends at the caret. */
function wordOf(input) {
  return WORD.exec(input.value.slice(0, input.selectionStart))[0];
}

/** Puts the name in the place of the word at the caret. */
function insert(input, name, word = wordOf(input)) {
  const at = input.selectionStart;
  const start = at - word.length;
  input.value = `${input.value.slice(0, start)}${name} ${input.value.slice(at)}`;
  input.focus();
  input.setSelectionRange(start + name.length + 1, start + name.length + 1);
  close(input);
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function close(input) {
  offers(input).hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function open(input) {
  const word = wordOf(input).toLowerCase();
  const names = [...document.querySelectorAll(`${input.dataset.complete} [data-insert]`)].map(({ dataset }) => dataset.insert);
  const plain = (name) => name.toLowerCase().replace(/^\w+\./, "");
  const found = word.length < 2 ? [] : names.filter((name) => name.toLowerCase() !== word && (name.toLowerCase().startsWith(word) || plain(name).startsWith(word)));
  if (!found.length) return close(input);
  offers(input).replaceChildren(
    ...found.slice(0, MOST).map((name, place) => {
      const item = document.createElement("li");
      item.id = `${input.id}-${place}`;
      item.role = "option";
      item.textContent = name;
      item.setAttribute("aria-selected", "false");
      return item;
    }),
  );
  offers(input).hidden = false;
  input.setAttribute("aria-expanded", "true");
}

function move(input, by) {
  const items = [...offers(input).children];
  const now = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  const next = (now + by + items.length + (now < 0 && by < 0 ? 1 : 0)) % items.length;
  items.forEach((item, place) => item.setAttribute("aria-selected", String(place === next)));
  items[next].scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", items[next].id);
}

export function setUpCompletion() {
  document.addEventListener("input", (event) => {
    if (event.target.matches("input[data-complete]") && event.isTrusted) open(event.target);
  });
  document.addEventListener(
    "keydown",
    (event) => {
      const input = event.target;
      if (!input.matches?.("input[data-complete]") || offers(input).hidden) return;
      const chosen = offers(input).querySelector("[aria-selected=true]");
      if (event.key === "ArrowDown" || event.key === "ArrowUp") move(input, event.key === "ArrowDown" ? 1 : -1);
      else if (event.key === "Escape") close(input);
      else if ((event.key === "Enter" || event.key === "Tab") && chosen) insert(input, chosen.textContent);
      else return;
      event.preventDefault();
    },
    true,
  );
  document.addEventListener("mousedown", (event) => {
    const item = event.target.closest(".completions li");
    if (!item) return;
    event.preventDefault(); // the box keeps the caret
    insert(document.querySelector(`input[aria-controls="${item.parentElement.id}"]`), item.textContent);
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.("input[data-complete]")) close(event.target);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-insert]");
    if (!button) return;
    button.closest("dialog")?.close();
    insert(document.querySelector("input[data-complete]"), button.dataset.insert, "");
  });
  // The box says by its colour what the words under it say.
  document.addEventListener("htmx:afterSettle", mark);
  document.addEventListener("htmx:oobAfterSwap", mark);
}

function mark() {
  const wrong = Boolean(document.querySelector("#search-error [data-error-code]"));
  const input = document.querySelector("input[data-complete]");
  input?.classList.toggle("is-invalid", wrong);
  input?.setAttribute("aria-invalid", String(wrong));
}
