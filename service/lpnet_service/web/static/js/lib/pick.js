// Choosing a target, a space, a block: lists that the API fills.
import { get } from "./api.js";
import { byId, fill, h } from "./dom.js";

/** Fill the list with `values` ({value, label}) and choose; `none` is a first entry without value. */
export function choices(id, values, chosen, none) {
  const select = byId(id);
  const all = none === undefined ? values : [{ value: "", label: none }, ...values];
  fill(select, all.map(({ value, label }) => h("option", { value }, label)));
  select.value = all.some(({ value }) => value === chosen) ? chosen : (all[0]?.value ?? "");
  return select.value;
}

/** Every target, by name. `trained`: only those that have an LPNet. */
export async function targets({ trained = false } = {}) {
  const { items } = await get("/v1/targets");
  return items.filter((target) => !trained || target.lpnet);
}

/** Every space, newest first. */
export async function spaces() {
  const { items } = await get("/v1/spaces");
  return items.reverse();
}

/** What to call a space: names are not unique, hashes are. */
export function spaceLabel(space, all) {
  const same = all.filter((other) => other.name === space.name).length > 1;
  return same ? `${space.name} (${space.hash.slice(0, 8)})` : space.name;
}
