// The public JSON API, asked with the rights of whoever is logged in.

/** A problem as the API tells it (RFC 9457), or that it was not reached (`code` "unreachable"). */
export class ApiError extends Error {
  constructor(status, problem) {
    super([problem.detail || problem.title || `the service answered ${status}`, ...(problem.errors ?? []).map(({ field, reason }) => `${field}: ${reason}`)].join("; "));
    this.status = status;
    this.code = problem.code;
    this.problem = problem;
  }
}

let csrf = null;

/** The header that changes need while a session is open. */
export function setCsrf(token) {
  csrf = token;
}

/** `parameters` that are null, undefined or "" are left out; lists are repeated. */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, one);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export const get = (path, parameters, options) => ask("GET", address(path, parameters), undefined, options);
export const post = (path, body = {}, options) => ask("POST", path, body, options);
export const remove = (path, options) => ask("DELETE", path, undefined, options);

async function ask(method, url, body, { signal, login = true } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  let answer;
  try {
    answer = await fetch(url, { method, headers, signal, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    dispatchEvent(new CustomEvent("lpnet:away"));
    throw new ApiError(0, { code: "unreachable", detail: "The service does not answer." });
  }
  dispatchEvent(new CustomEvent("lpnet:here"));
  if (answer.status === 204) return null;
  const text = await answer.text();
  let value;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(answer.status, { code: "unreadable", detail: `The service answered ${answer.status} with something that is not JSON.` });
  }
  if (answer.ok) return value;
  if (answer.status === 401 && login) {
    location.assign(address("/login", { next: location.pathname + location.search }));
    return new Promise(() => {});
  }
  throw new ApiError(answer.status, value || {});
}
