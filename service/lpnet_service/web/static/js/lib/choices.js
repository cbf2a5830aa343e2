// Choosing targets and spaces: lists and check boxes that are filled from the API.
import { get } from "./api.js";
import { document } from "./browser.js";
import { byId, fill, h } from "./dom.js";
import { showGone } from "./gone.js";

export const NO_LPNET =
  "No target has an LPNet yet. To measure a target and train one, run: lpnet profile TARGET SPACE";
export const NO_SPACE = "There is no space yet. To upload one, run: lpnet profile TARGET resnet20";

/**
 * Fill a list and return what is selected: `selected`, or the first option without it. An option
 * is a string or {value, label}. `emptyLabel`: label of a first option without a value. `noun`:
 * what an option is, to say so if `selected`, as from a link, is none of them.
 */
export function fillSelect(id, options, selected, emptyLabel, noun) {
  const select = byId(id);
  const items = options.map((item) =>
    typeof item === "string" ? { value: item, label: item } : item
  );
  if (emptyLabel !== undefined) items.unshift({ value: "", label: emptyLabel });
  // Changing its options would close a list that the reader has open.
  const current = [...select.options].map(({ value, label }) => ({ value, label }));
  if (JSON.stringify(current) !== JSON.stringify(items)) {
    fill(select, items.map(({ value, label }) => h("option", { value }, label)));
  }
  const isOption = items.some(({ value }) => value === selected);
  select.value = isOption ? selected : (items[0]?.value ?? "");
  if (noun && selected && !isOption) sayGone(noun, selected, items[0]?.label);
  return select.value;
}

// Hashes are cut: a name of 64 digits tells a reader nothing.
function sayGone(noun, name, shown) {
  const instead = shown ? ` Shown instead: ${shown}.` : "";
  const short = /^[0-9a-f]{64}$/.test(name) ? name.slice(0, 12) : name;
  showGone(`There is no ${noun} “${short}” here.${instead}`);
}

/** The targets of a link that are listed; says which are not. `noun`: what is listed. */
export function listedTargets(requested, names, noun) {
  for (const name of requested) {
    if (!names.includes(name)) sayGone(noun, name);
  }
  return requested.filter((name) => names.includes(name));
}

/** All targets by name. `trained`: only those with an LPNet. */
export async function loadTargets({ trained = false } = {}) {
  const { items } = await get("/v1/targets");
  return items.filter((target) => !trained || target.lpnet);
}

/** All spaces, newest first. */
export async function loadSpaces() {
  const { items } = await get("/v1/spaces");
  return items.reverse();
}

/** Spaces as options of a list. */
export function spaceOptions(spaces) {
  return spaces.map(({ hash }) => ({ value: hash, label: spaceLabel(hash, spaces) }));
}

/** The name of a space, with its hash if others share the name; `fallback` if it is not listed. */
export function spaceLabel(hash, spaces, fallback = hash.slice(0, 12)) {
  const space = spaces.find((candidate) => candidate.hash === hash);
  if (!space) return fallback;
  const isUnique = spaces.filter(({ name }) => name === space.name).length === 1;
  return isUnique ? space.name : `${space.name} (${hash.slice(0, 8)})`;
}

const MAX_WITHOUT_SEARCH = 12;

/** Fill an element with a check box per target, checked ones first; many get a search field. */
export function fillTargetBoxes(id, names, checked) {
  const container = byId(id);
  const sorted = [
    ...names.filter((name) => checked.includes(name)),
    ...names.filter((name) => !checked.includes(name)),
  ];
  fill(container, sorted.map((name) => targetBox(name, checked.includes(name))));
  if (names.length > MAX_WITHOUT_SEARCH) container.before(searchField(container, names.length));
}

function targetBox(name, checked) {
  const box = h("input", { type: "checkbox", name: "target", value: name, checked });
  return h("label", { class: "check" }, box, name);
}

function targetBoxes() {
  return [...document.querySelectorAll('input[name="target"]')];
}

/** Names of the targets that are checked. */
export function checkedTargets() {
  return targetBoxes().filter((box) => box.checked).map((box) => box.value);
}

/** Disable the other boxes when `max` targets are checked. */
export function limitTargets(max) {
  const isFull = checkedTargets().length >= max;
  for (const box of targetBoxes()) box.disabled = isFull && !box.checked;
}

function searchField(container, total) {
  const field = h("input", {
    type: "search",
    class: "target-search",
    placeholder: `search ${total} targets`,
    "aria-label": "Search targets by name",
  });
  field.addEventListener("input", () => {
    const terms = field.value.toLowerCase().split(/\s+/);
    for (const label of container.children) {
      const { value, checked } = label.firstElementChild;
      label.hidden = !checked && !terms.every((term) => value.toLowerCase().includes(term));
    }
  });
  // The search is no part of the form's input.
  field.addEventListener("change", (event) => event.stopPropagation());
  return field;
}
