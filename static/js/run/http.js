// Talks to the portal's own API: JSON in and out, the one error shape, the CSRF token of the session.

/** What the portal refused: `message` is for people, `code` and `details` are the API's own, `status` is 0 without an answer. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", details = {} } = {}) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}

/** Resolves to the parsed JSON of the answer (null when it is empty); rejects with an ApiError. */
export async function api(url, { method = "GET", json, signal } = {}) {
  const response = await send(url, { method, json, signal, accept: "application/json" });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** Resolves to the Response of a request that succeeded, for those who read its body themselves. */
export async function send(url, { method = "GET", json, signal, accept = "*/*" } = {}) {
  const headers = { Accept: accept };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  if (json !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const body = json === undefined ? undefined : JSON.stringify(json);
    response = await fetch(url, { method, headers, body, signal, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The portal does not answer. Is it running, and are you connected to it?");
  }
  if (!response.ok) throw errorOf(response.status, await response.text());
  return response;
}

/** The ApiError that an answer's status and body say. */
export function errorOf(status, body) {
  try {
    const { message, code, details } = JSON.parse(body).error;
    return new ApiError(message, { status, code, details });
  } catch {
    return new ApiError(`The portal answered with the status ${status}.`, { status });
  }
}

export function csrfToken() {
  const form = document.querySelector("input[name=csrfmiddlewaretoken]");
  return form?.value ?? document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}
