// What a script logged besides numbers: texts, lists, rows, tables, images, confusion matrices. All of it as text nodes.

import { curveOf } from "./curves.js";
import { element, number } from "./format.js";

const ROWS = 200; // of one table that are shown

/** Replaces the content of `box`; `values` = [{name, kind, description, value}] in the order of logging. */
export function showValues(box, values, imageUrl) {
  const groups = new Map();
  for (const value of values) {
    const key = `${value.kind}\0${value.name}`;
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  const texts = [...groups.values()].filter(([first]) => first.kind === "text");
  const others = [...groups.values()].filter(([first]) => first.kind !== "text");
  box.replaceChildren(...(texts.length ? [textsCard(texts)] : []), ...others.map((group) => valueCard(group, imageUrl)));
}

function textsCard(groups) {
  const rows = groups.map((group) => {
    const shown = element("td", { class: "text-break" }, ...group.flatMap(({ value }, at) => (at ? [element("br"), value] : [value])));
    return element("tr", {}, element("th", { scope: "row", class: "fw-normal text-secondary w-33" }, group[0].name), shown);
  });
  return card("Values", null, scrolling(element("table", { class: "table table-vcenter card-table" }, element("tbody", {}, ...rows))), true);
}

function valueCard(group, imageUrl) {
  const { kind, name, description } = group[0];
  const draw = { list: drawList, row: drawRows, table: drawTables, image: drawImages, confusion_matrix: drawMatrix }[kind] ?? drawCurve;
  return card(name, description, draw(group.map((item) => item.value), name, imageUrl), kind !== "image");
}

function card(title, description, content, flush) {
  const header = element("div", { class: "card-header" }, element("h2", { class: "card-title text-truncate", title }, title));
  const note = description ? element("div", { class: "card-body py-2 flex-grow-0 text-secondary" }, description) : null;
  const body = flush ? content : element("div", { class: "card-body" }, content);
  return element("div", { class: "col-lg-6" }, element("div", { class: "card h-100" }, header, note, body));
}

function scrolling(content) {
  return element("div", { class: "table-responsive value-scroll as-written", tabindex: "0" }, content);
}

function table(columns, rows) {
  const head = element("thead", {}, element("tr", {}, ...columns.map((column) => element("th", { scope: "col" }, column))));
  const body = element("tbody", {}, ...rows.slice(0, ROWS).map((row) => element("tr", {}, ...row.map(cell))));
  if (rows.length > ROWS) {
    const more = `and ${(rows.length - ROWS).toLocaleString("en")} more rows`;
    body.append(element("tr", {}, element("td", { colspan: columns.length, class: "text-secondary" }, more)));
  }
  return scrolling(element("table", { class: "table table-sm table-vcenter card-table" }, head, body));
}

function cell(value) {
  const plain = unflag(value);
  const numeric = typeof plain === "number";
  const text = numeric ? number(plain) : plain !== null && typeof plain === "object" ? JSON.stringify(plain) : String(plain ?? "");
  return element("td", { class: numeric ? "font-monospace" : "text-break" }, text);
}

function unflag(value) {
  const names = { nan: "NaN", inf: "Infinity", "-inf": "-Infinity" };
  const flagged = value !== null && typeof value === "object" && Object.keys(value).length === 1 && names[value.x];
  return flagged || value;
}

function drawList(lists) {
  const longest = Math.max(...lists.map((list) => list.length));
  const columns = ["index", ...(lists.length === 1 ? ["value"] : lists.map((_, at) => `list ${at + 1}`))];
  const rows = Array.from({ length: longest }, (_, at) => [at, ...lists.map((list) => (at < list.length ? list[at] : ""))]);
  return table(columns, rows);
}

function drawRows(rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  return table(columns, rows.map((row) => columns.map((column) => row[column])));
}

function drawTables(tables) {
  return drawRows(
    tables.flatMap((columns) => {
      const lists = Object.entries(columns).map(([name, cells]) => [name, Array.isArray(cells) ? cells : [cells]]);
      const length = Math.max(0, ...lists.map(([, cells]) => cells.length));
      return Array.from({ length }, (_, at) => Object.fromEntries(lists.map(([name, cells]) => [name, cells[at]])));
    }),
  );
}

function drawImages(paths, name, imageUrl) {
  const images = paths.map((path, at) => {
    const image = element("img", { src: imageUrl(path), alt: `${name}${paths.length > 1 ? ` ${at + 1}` : ""}`, loading: "lazy", class: "img-fluid logged-image" });
    image.addEventListener("error", () => image.replaceWith(notDrawn(path, imageUrl(path))));
    return image;
  });
  return element("div", {}, ...images);
}

// Not stored yet, or a picture of a kind that is not shown here, such as an SVG: it may hold a script.
function notDrawn(path, url) {
  const download = element("a", { href: url, download: "" }, `Download ${path}`);
  return element("p", { class: "text-secondary mb-0" }, download, ": it cannot be shown here, or not before the run has ended.");
}

// Azure's schema: {"schema_type": "confusion_matrix", "data": {"class_labels": […], "matrix": [[…]]}}
function drawMatrix(values) {
  const data = values.at(-1)?.data ?? values.at(-1);
  if (!Array.isArray(data?.matrix)) return drawObject(values);
  const labels = data.class_labels ?? data.matrix.map((_, at) => at);
  const most = Math.max(1, ...data.matrix.flat().filter(Number.isFinite));
  const corner = element("td", { class: "text-secondary small" }, "true \\ predicted");
  const head = element("tr", {}, corner, ...labels.map((label) => element("th", { scope: "col", class: "text-center" }, String(label))));
  const rows = data.matrix.map((row, at) => {
    const cells = row.map((count) => {
      const share = Number.isFinite(count) ? count / most : 0;
      const made = element("td", { class: "text-center font-monospace matrix-cell" }, number(count));
      made.style.setProperty("--share", share.toFixed(3));
      return made;
    });
    return element("tr", {}, element("th", { scope: "row" }, String(labels[at] ?? at)), ...cells);
  });
  return scrolling(element("table", { class: "table card-table matrix" }, element("thead", {}, head), element("tbody", {}, ...rows)));
}

// Azure draws these; what is not of Azure's shape is shown as it is.
function drawCurve(values, name) {
  const { kind, data } = values.at(-1)?.schema_type ? { kind: values.at(-1).schema_type, data: values.at(-1).data } : {};
  const plot = curveOf(kind, data, name);
  if (!plot) return drawObject(values);
  return element("div", {}, plot, element("details", { class: "px-3 pb-3" }, element("summary", {}, "Show the JSON"), drawObject(values)));
}

function drawObject(values) {
  return element("pre", { class: "value-scroll m-0 rounded-0", tabindex: "0" }, JSON.stringify(values.length === 1 ? values[0] : values, null, 2));
}
