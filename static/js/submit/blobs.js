// Bytes come first, then what names them: files are sent in batches to `blobs/`, which answers with their digests.

import { sendForm } from "./upload.js";

const BATCH_FILES = 500;
const BATCH_BYTES = 32_000_000;

/** Sends [{path, file}, …]; resolves to what names them, [{path, sha256}, …]. `onProgress(sent, total)` in bytes. */
export async function sendBlobs(root, files, onProgress, signal) {
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  const entries = [];
  let done = 0;
  for (const batch of batches(files)) {
    const form = new FormData();
    for (const { file } of batch) form.append("files", file, "file");
    const size = batch.reduce((sum, { file }) => sum + file.size, 0);
    const progress = (sent, all) => onProgress(done + (all ? (size * sent) / all : size), total);
    const { blobs } = await sendForm(`${root}blobs/`, form, progress, signal);
    batch.forEach(({ path }, index) => entries.push({ path, sha256: blobs[index].sha256 }));
    done += size;
  }
  return entries;
}

/** Batches of files: so many, and so many bytes; a larger file by itself. */
function batches(files) {
  const found = [];
  let room = 0;
  for (const item of files) {
    const last = found.at(-1);
    if (last && last.length < BATCH_FILES && item.file.size <= room) last.push(item);
    else {
      found.push([item]);
      room = BATCH_BYTES;
    }
    room -= item.file.size;
  }
  return found;
}
