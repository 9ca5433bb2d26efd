// A training sample goes to the version that was registered a moment ago.

import { ApiError, csrfToken, errorOf } from "../run/http.js";

/** `models` is the address of the models; rejects with an ApiError that says that the model itself is registered. */
export async function sendSample(models, made, file, target = "") {
  const query = new URLSearchParams({ source: file.name, target });
  const url = `${models}${encodeURIComponent(made.name)}/versions/${made.version}/sample/?${query}`;
  const headers = { "Content-Type": file.type || "application/octet-stream", "X-CSRFToken": csrfToken() };
  let answer;
  try {
    answer = await fetch(url, { method: "PUT", headers, body: file, credentials: "same-origin" });
  } catch {
    throw new ApiError(`${made.name} is registered as version ${made.version}; the connection broke before its sample was there.`);
  }
  if (!answer.ok) {
    const { message } = errorOf(answer.status, await answer.text());
    throw new ApiError(`${made.name} is registered as version ${made.version}, without a sample. ${message}`);
  }
}
