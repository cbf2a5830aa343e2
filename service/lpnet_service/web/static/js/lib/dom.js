// Elements are built without HTML in strings, so text from the API can never become markup.
import { document } from "./browser.js";

/**
 * Create an element: h("td", { class: "num", onclick: f }, "text", child). Attributes that are
 * null, undefined or false are left out; `true` makes an empty one. Children may be nested lists.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (isEmpty(value)) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  fill(element, children);
  return element;
}

/** Replace the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => !isEmpty(child)));
}

function isEmpty(value) {
  return value === null || value === undefined || value === false;
}

/** The element with this id; an error if a template and its module disagree. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

/** A table cell. At phone width a row is shown as a card, with `label` before each content. */
export function cell(label, ...content) {
  return h("td", { "data-label": label }, h("div", {}, content));
}

/** A table cell with a number. */
export function numberCell(label, ...content) {
  return h("td", { class: "num", "data-label": label }, h("div", {}, content));
}

/** A command in a box, with a button that copies it. */
export function command(text) {
  const button = h("button", { type: "button", class: "quiet small" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return h("div", { class: "command" }, h("code", {}, text), button);
}
