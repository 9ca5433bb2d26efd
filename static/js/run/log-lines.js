// A log as an array of lines: grows at its end, knows the colours a line starts with, finds words.

// eslint-disable-next-line no-control-regex
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g;
const COLOURS = /\x1b\[([0-9;:]*)m/g;
const ERROR_LINE =
  /^(?:Traceback \(most recent call last\)|[\w.]*(?:Error|Exception)\b.*:|Killed\b|Segmentation fault)|\b(?:ERROR|CRITICAL|FATAL)\b/;

export class LogLines {
  /** The lines without their "\n"; the last one may still grow. */
  lines = [];
  #unfinished = false;
  #colour = "";
  #colours = new Map();
  #marks = [];

  get length() {
    return this.lines.length;
  }

  /** Adds text that starts at byte `offset` of the log; returns the index of the first line that changed. */
  append(text, offset) {
    const parts = text.split("\n");
    const first = this.#unfinished ? this.lines.length - 1 : this.lines.length;
    if (!this.#unfinished) this.#marks.push({ line: first, offset });
    if (this.#unfinished) this.lines[first] += parts.shift();
    else this.#open(parts.shift());
    for (const part of parts) {
      this.#finish();
      this.#open(part);
    }
    this.#unfinished = this.lines.at(-1) !== "";
    if (!this.#unfinished) this.lines.pop();
    return first;
  }

  /** What a terminal would show of the line, with the colours it starts with: a "\r" starts the line again. */
  shown(index) {
    return (this.#colours.get(index) ?? "") + afterReturn(this.lines[index]);
  }

  /** The line as words, without colours. */
  plain(index) {
    const line = afterReturn(this.lines[index]);
    return line.includes("\x1b") ? line.replace(ESCAPES, "") : line;
  }

  /** The indexes, from line `from` on, of lines that hold `needle` in any case. */
  find(needle, from = 0) {
    const wanted = needle.toLowerCase();
    const found = [];
    for (let index = from; index < this.lines.length; index += 1) {
      if (this.plain(index).toLowerCase().includes(wanted)) found.push(index);
    }
    return found;
  }

  firstError() {
    for (let index = 0; index < this.lines.length; index += 1) if (ERROR_LINE.test(this.plain(index))) return index;
    return -1;
  }

  /** The line that holds this byte of the log. */
  lineAt(offset) {
    const mark = this.#marks.findLast((candidate) => candidate.offset <= offset);
    if (!mark) return 0;
    const encoder = new TextEncoder();
    let [index, end] = [mark.line, mark.offset];
    while (index < this.lines.length - 1) {
      end += encoder.encode(this.lines[index]).length + 1;
      if (end > offset) break;
      index += 1;
    }
    return index;
  }

  #open(text) {
    if (this.#colour) this.#colours.set(this.lines.length, this.#colour);
    this.lines.push(text);
  }

  #finish() {
    const line = this.lines.at(-1);
    if (!line.includes("\x1b[")) return;
    for (const [sequence, codes] of line.matchAll(COLOURS)) {
      if (/^0*(?:;|$)/.test(codes)) this.#colour = "";
      if (!/^0*$/.test(codes)) this.#colour = this.#colour.length > 100 ? sequence : this.#colour + sequence;
    }
  }
}

function afterReturn(line) {
  const end = line.endsWith("\r") ? line.length - 1 : line.length;
  return line.slice(line.lastIndexOf("\r", end - 1) + 1, end);
}
