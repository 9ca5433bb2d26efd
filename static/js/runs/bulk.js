// Which runs are chosen. The table is swapped every other second while something runs; what is chosen stays chosen, also what
// is on another page by now. "All that match" is said to the server as such.
const chosen = new Set();
let all = false;

const form = () => document.getElementById("bulk");
const table = () => document.getElementById("runs");
const boxes = () => [...document.querySelectorAll("[data-pick]")];
const total = () => Number(table()?.dataset.count || 0);
const words = (count) => (count === 1 ? "1 run" : `${count} runs`);

function draw() {
  const bar = form();
  if (!bar) return;
  const shown = boxes();
  for (const box of shown) box.checked = all || chosen.has(box.value);
  const page = document.querySelector("[data-pick-page]");
  const checked = shown.filter((box) => box.checked).length;
  if (page) {
    page.checked = checked > 0 && checked === shown.length;
    page.indeterminate = checked > 0 && checked < shown.length;
  }
  const count = all ? total() : chosen.size;
  bar.hidden = count === 0;
  bar.elements.all.value = all ? "1" : "";
  const elsewhere = all ? 0 : count - checked;
  bar.querySelector("[data-bulk-count]").textContent = `${words(count)} chosen${elsewhere > 0 ? `, ${elsewhere} not shown here` : ""}`;
  const more = bar.querySelector("[data-pick-all]");
  more.hidden = all || !page?.checked || total() <= shown.length;
  more.textContent = `Choose all ${total()} that match`;
  for (const element of document.querySelectorAll("#bulk [data-confirm], [data-counted]")) sayCount(element, count);
  const compare = bar.querySelector("[data-compare]");
  const uids = all ? shown.map((box) => box.value) : [...chosen];
  compare.search = `?runs=${uids.join(",")}`;
  const many = all || count > 100;
  compare.hidden = many;
  bar.querySelector("[data-compare-most]").hidden = !many;
}

/** Writes the number in the place of the # of an element's words. */
function sayCount(element, count) {
  const { dataset } = element;
  for (const name of ["confirmTitle", "confirmButton"]) {
    const template = `${name}Words`;
    if (!dataset[name]) continue;
    dataset[template] ??= dataset[name];
    dataset[name] = dataset[template].replace(/# runs/, words(count));
  }
  if (dataset.counted) element.textContent = dataset.counted.replace(/# runs/, words(count));
}

/** The address is another one when the search is: the form has to say the one that is shown. */
function remember() {
  for (const link of document.querySelectorAll("[data-follows-address]")) link.search = location.search;
  for (const field of document.querySelectorAll("[data-view-query] [name=query]")) field.value = location.search.slice(1);
  const bar = form();
  if (!bar) return;
  bar.elements.back.value = location.pathname + location.search;
  const query = location.search.slice(1);
  if (bar.elements.query.value !== query) {
    bar.elements.query.value = query;
    if (all) all = false;
  }
}

function send(event) {
  const bar = event.target;
  if (bar.id !== "bulk") return;
  for (const hidden of bar.querySelectorAll("[data-elsewhere]")) hidden.remove();
  if (all) {
    for (const box of boxes()) box.disabled = true; // thousands need not be named
    return;
  }
  const here = new Set(boxes().map((box) => box.value));
  for (const uid of chosen) {
    if (here.has(uid)) continue;
    const hidden = Object.assign(document.createElement("input"), { type: "hidden", name: "run", value: uid });
    hidden.dataset.elsewhere = "";
    bar.append(hidden);
  }
}

export function setUpBulk() {
  document.addEventListener("change", (event) => {
    const { target } = event;
    if (target.matches("[data-pick]")) pick(target.value, target.checked);
    else if (target.matches("[data-pick-page]")) for (const box of boxes()) pick(box.value, target.checked);
    else return;
    draw();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-pick-none]")) {
      chosen.clear();
      all = false;
    } else if (event.target.closest("[data-pick-all]")) all = true;
    else {
      const opener = event.target.closest("[data-bulk-dialog]");
      if (opener) document.getElementById(opener.dataset.bulkDialog).showModal();
      return;
    }
    draw();
  });
  document.addEventListener("submit", send);
  document.addEventListener("htmx:afterSettle", () => {
    remember();
    draw();
  });
  document.addEventListener("htmx:pushedIntoHistory", () => {
    remember();
    draw();
  });
  window.addEventListener("pageshow", () => {
    for (const box of boxes()) {
      box.disabled = false;
      if (box.checked) chosen.add(box.value); // as the browser remembers a page that one goes back to
    }
    draw();
  });
}

function pick(uid, is) {
  if (all && !is) {
    all = false; // all but one is what is on this page but one
    for (const box of boxes()) chosen.add(box.value);
  }
  if (is) chosen.add(uid);
  else chosen.delete(uid);
}
