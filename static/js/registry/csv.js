// CSV as RFC 4180 has it: records by their text, and the cells of a record. A line end inside of quotes is no end.

/** The records of the text, each with its quotes and without its line end; lines with nothing on them are left out. */
export function* records(text) {
  let start = 0;
  let quoted = false;
  for (let at = 0; at <= text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') quoted = !quoted;
    if (at < text.length && (quoted || letter !== "\n")) continue;
    const record = text.slice(start, at).replace(/\r$/, "");
    if (record) yield record;
    start = at + 1;
  }
}

export function cells(record) {
  const found = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^,]*))(,|$)/gy;
  for (let match = pattern.exec(record); match; match = pattern.exec(record)) {
    found.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    if (match[3] !== ",") break;
  }
  return found;
}
