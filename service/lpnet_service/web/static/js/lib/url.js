// URLs with query parameters, and the state of a page in its URL: a view can be shared and
// returned to.
import { history } from "./browser.js";

/** Parameters that are null, undefined or "" are left out; a list repeats its parameter. */
export function url(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const item of [value].flat()) {
      if (item !== null && item !== undefined && item !== "") query.append(name, item);
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The page's state: the URL's parameters over `defaults`, with the types of `defaults`. */
export function readState(defaults) {
  const query = new URLSearchParams(location.search);
  const state = { ...defaults };
  for (const [name, value] of Object.entries(defaults)) {
    if (query.has(name)) state[name] = parse(query.getAll(name), value);
  }
  return state;
}

function parse(texts, fallback) {
  if (Array.isArray(fallback)) return texts;
  if (typeof fallback !== "number") return texts[0];
  const number = Number(texts[0]);
  return Number.isFinite(number) ? number : fallback;
}

/** Write `state` into the page's URL, without the values that equal `defaults`. */
export function writeState(state, defaults) {
  const changed = Object.entries(state).filter(([name, value]) =>
    JSON.stringify(value) !== JSON.stringify(defaults[name])
  );
  const target = url(location.pathname, Object.fromEntries(changed));
  if (target !== location.pathname + location.search) history.replaceState(null, "", target);
}
