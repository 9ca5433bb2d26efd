// What a person drops or picks, as a list of {path, file}; a dropped folder is walked to its leaves.

/** Reads a DataTransfer; must be called in the drop event itself, because its items are gone afterwards. */
export async function fromDrop(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return fromInput(transfer.files);
  return (await Promise.all(entries.map(walk))).flat();
}

export function fromInput(files) {
  return [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function walk(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) return [{ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  if (isNeverTaken(entry.name)) return [];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) break;
    found.push(...(await Promise.all(some.map(walk))).flat());
  }
  return found;
}

// The portal leaves these out in any case; they can be larger than all the rest, so they are not even sent.
function isNeverTaken(name) {
  return [".git", "__pycache__", ".ipynb_checkpoints"].includes(name);
}

/** Without the folders that are never taken, for files that came from a folder chooser. */
export function withoutNeverTaken(files) {
  return files.filter(({ path }) => !path.split("/").slice(0, -1).some(isNeverTaken));
}
