// Splits a line into words as a POSIX shell does, without expanding anything.

/** The words, or throws an Error that says what is unfinished. */
export function splitShell(line) {
  const words = [];
  let word = null;
  let quote = "";
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at];
    if (quote === "'") {
      if (sign === "'") quote = "";
      else word += sign;
    } else if (sign === "\\") {
      at += 1;
      if (at === line.length) throw new Error("The line ends with a backslash that has nothing to escape.");
      word ??= "";
      // Inside double quotes a backslash escapes only these.
      word += quote && !'$`"\\'.includes(line[at]) ? `\\${line[at]}` : line[at];
    } else if (quote) {
      if (sign === '"') quote = "";
      else word += sign;
    } else if (sign === "'" || sign === '"') {
      quote = sign;
      word ??= "";
    } else if (/\s/.test(sign)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + sign;
  }
  if (quote) throw new Error(`A ${quote === "'" ? "single" : "double"} quote is not closed.`);
  if (word !== null) words.push(word);
  return words;
}

/** The words as one line that splits into them again. */
export function joinShell(words) {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(" ");
}
