// Sends files to the portal and tells how far it is: fetch() does not, so this is an XMLHttpRequest.

import { ApiError, csrfToken, errorOf } from "../run/http.js";

/** Resolves to the snapshot's JSON. `onProgress(sent, total)` in bytes; `signal` aborts. */
export function upload(url, files, onProgress, signal) {
  const form = new FormData();
  const zip = files.length === 1 && /\.zip$/i.test(files[0].path);
  if (zip) form.append("archive", files[0].file, files[0].path);
  for (const { path, file } of zip ? [] : files) {
    form.append("files", file, file.name);
    form.append("paths", path);
  }
  return sendForm(url, form, onProgress, signal);
}

/** POSTs the form; resolves to the answer's JSON. */
export function sendForm(url, form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded, event.total));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(errorOf(request.status, request.responseText));
    });
    request.addEventListener("error", () => reject(new ApiError("The connection broke off while uploading. Try again.")));
    request.addEventListener("abort", () => reject(new DOMException("Upload stopped", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
