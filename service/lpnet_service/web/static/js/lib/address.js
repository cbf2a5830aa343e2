// The state of a page is its address, so that what is seen can be shared and gone back to.

/** What the address says, over `defaults`. Numbers, booleans and lists as in `defaults`. */
export function read(defaults) {
  const query = new URLSearchParams(location.search);
  const state = {};
  for (const [name, usual] of Object.entries(defaults)) {
    if (!query.has(name)) state[name] = usual;
    else if (Array.isArray(usual)) state[name] = query.getAll(name);
    else if (typeof usual === "number") state[name] = Number.isFinite(Number(query.get(name))) ? Number(query.get(name)) : usual;
    else if (typeof usual === "boolean") state[name] = query.get(name) === "true";
    else state[name] = query.get(name);
  }
  return state;
}

/** Write `state` into the address; what is as in `defaults` is left out. `push`: a step to go back by. */
export function write(state, defaults, { push = false } = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (JSON.stringify(value) === JSON.stringify(defaults[name]) || value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, one);
  }
  const text = query.toString();
  const url = text ? `${location.pathname}?${text}` : location.pathname;
  if (url === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](null, "", url);
}
