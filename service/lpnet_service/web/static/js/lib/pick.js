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

const MANY = 12;

/** A check box named "target" for each name in the element with this id, the chosen ones first;
 * of many, a field above narrows them. */
export function boxes(id, names, chosen) {
  const first = names.filter((name) => chosen.includes(name));
  const rest = names.filter((name) => !chosen.includes(name));
  const place = byId(id);
  fill(place, [...first, ...rest].map((name) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "target", value: name, checked: chosen.includes(name) }), name)));
  if (names.length > MANY) place.before(narrowing(place, names.length));
}

/** No more than `most` boxes can be checked. */
export function atMost(most) {
  const all = [...document.querySelectorAll('input[name="target"]')];
  const full = all.filter((box) => box.checked).length >= most;
  for (const box of all) box.disabled = full && !box.checked;
}

function narrowing(place, number) {
  const field = h("input", { type: "search", class: "narrow", placeholder: `find one of ${number}`, "aria-label": "Find a target by its name" });
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const label of place.children) {
      const { value, checked } = label.firstElementChild;
      label.hidden = !checked && !words.every((word) => value.toLowerCase().includes(word));
    }
  });
  // What is typed here changes nothing that the form asks for.
  field.addEventListener("change", (event) => event.stopPropagation());
  return field;
}
