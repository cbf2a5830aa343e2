// The service's JSON API, called with the rights of the user who is logged in.
import { url } from "./url.js";

/**
 * A problem that the API reports (RFC 9457). Without a response from the service `code` is
 * "server_unreachable" and `status` is 0.
 */
export class ApiError extends Error {
  constructor(status, problem) {
    const { code, detail, title, errors = [] } = problem;
    const message = detail || title || `The service responded with status ${status}.`;
    super([message, ...errors.map(({ field, reason }) => `${field}: ${reason}`)].join("; "));
    this.status = status;
    this.code = code;
  }
}

let csrfToken = null;

/** Set the token that requests which change something carry in a session. */
export function setCsrfToken(token) {
  csrfToken = token;
}

export const get = (path, parameters) => request("GET", url(path, parameters));
export const post = (path, body = {}, options = {}) => request("POST", path, body, options);
export const remove = (path) => request("DELETE", path);

/**
 * The first items of a paged list, at least `minItems` if there are as many, and the cursor
 * `next` after them, which is null at the end of the list.
 */
export async function getItems(path, parameters, minItems) {
  const items = [];
  let next = null;
  do {
    const page = await get(path, { ...parameters, after: next });
    items.push(...page.items);
    next = page.next;
  } while (next && items.length < minItems);
  return { items, next };
}

/** Sends requests of which only the last one counts: a new one aborts the one before. */
export class LatestRequest {
  #controller = null;

  abort() {
    this.#controller?.abort();
  }

  /** The response to a POST, or null if it was aborted. */
  async post(path, body) {
    this.abort();
    this.#controller = new AbortController();
    try {
      return await post(path, body, { signal: this.#controller.signal });
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    }
  }
}

async function request(method, target, body, { signal, redirectToLogin = true } = {}) {
  const response = await send(target, {
    method,
    headers: headers(method, body),
    signal,
    credentials: "same-origin",
    body: body && JSON.stringify(body),
  });
  if (response.status === 204) return null;
  const content = parse(response.status, await response.text());
  if (response.ok) return content;
  if (response.status === 401 && redirectToLogin) {
    location.assign(url("/login", { next: location.pathname + location.search }));
    // The page is about to be left: nothing may happen on it any more.
    return new Promise(() => {});
  }
  throw new ApiError(response.status, content ?? {});
}

function headers(method, body) {
  return {
    Accept: "application/json",
    ...(body && { "Content-Type": "application/json" }),
    ...(method !== "GET" && csrfToken && { "X-CSRF-Token": csrfToken }),
  };
}

async function send(target, options) {
  let response;
  try {
    response = await fetch(target, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    dispatchEvent(new CustomEvent("lpnet:disconnected"));
    throw new ApiError(0, { code: "server_unreachable", detail: "The service does not respond." });
  }
  dispatchEvent(new CustomEvent("lpnet:connected"));
  return response;
}

function parse(status, text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    const detail = `The service responded with status ${status} and a body that is not JSON.`;
    throw new ApiError(status, { code: "unreadable", detail });
  }
}
