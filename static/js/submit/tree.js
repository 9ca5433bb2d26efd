// The files of a snapshot as a tree with sizes; the same look as the run page's trees.

import { bytes, element } from "../run/format.js";

/** A `<ul class="tree">` of [{name, size}]; folders come first. */
export function fileTree(files) {
  const root = new Map();
  for (const { name, size } of files) {
    const parts = name.split("/");
    const last = parts.pop();
    let inside = root;
    for (const part of parts) {
      const key = `${part}/`;
      if (!inside.has(key)) inside.set(key, new Map());
      inside = inside.get(key);
    }
    inside.set(last, size);
  }
  return element("ul", { class: "tree" }, ...rows(root, 0));
}

function rows(inside, level) {
  const isFolder = ([, value]) => value instanceof Map;
  const sorted = [...inside].sort((a, b) => isFolder(b) - isFolder(a) || a[0].localeCompare(b[0]));
  return sorted.flatMap(([name, value]) => {
    if (!(value instanceof Map)) return [row(name, bytes(value), level, false)];
    const { count, size } = total(value);
    return [row(name, `${count} ${count === 1 ? "file" : "files"}, ${bytes(size)}`, level, true), ...rows(value, level + 1)];
  });
}

function row(name, size, level, folder) {
  const inner = element(
    "div",
    { class: "tree-row" },
    element("span", { class: "tree-name" }, icon(folder ? "folder" : "file"), name),
    element("span", { class: "tree-size" }, size),
  );
  const item = element("li", {}, inner);
  item.style.setProperty("--level", level);
  return item;
}

function icon(name) {
  return document.getElementById(`icon-${name}`).content.firstElementChild.cloneNode(true);
}

function total(inside) {
  let [count, size] = [0, 0];
  for (const value of inside.values()) {
    const below = value instanceof Map ? total(value) : { count: 1, size: value };
    count += below.count;
    size += below.size;
  }
  return { count, size };
}
