// Explanations: a term with a dotted line opens a word on what it means, by mouse, keyboard, touch.
import { document } from "./browser.js";
import { fill, h } from "./dom.js";
import { GLOSSARY } from "./glossary.js";

const WIDTH_PX = 320;
const MARGIN_PX = 8;

/**
 * A label that opens its explanation, `key` of the glossary. `name` is for screen readers if the
 * label says too little.
 */
export function term(key, label, name) {
  const text = GLOSSARY[key];
  if (!text) throw new Error(`the glossary does not explain ${key}`);
  const note = h("span", { class: "explanation", popover: "auto", role: "note" });
  const attributes = { type: "button", class: "term", title: text, "aria-label": name };
  const button = h("button", attributes, label);
  button.popoverTargetElement = note;
  // In a header that sorts, the term does not.
  button.addEventListener("click", (event) => event.stopPropagation());
  let placedAt;
  const hideIfMoved = () => {
    if (button.getBoundingClientRect().top !== placedAt) note.hidePopover();
  };
  note.addEventListener("beforetoggle", ({ newState }) => {
    if (newState !== "open") return removeEventListener("scroll", hideIfMoved, true);
    const box = button.getBoundingClientRect();
    placedAt = box.top;
    note.textContent = text;
    place(note, box);
    // Focus scrolls a term into view before it is opened, and the event comes after.
    addEventListener("scroll", hideIfMoved, true);
  });
  return h("span", {}, button, note);
}

/** Make terms of all elements marked `data-term` with a key of the glossary. */
export function explainMarked() {
  for (const element of document.querySelectorAll("[data-term]")) {
    fill(element, term(element.dataset.term, element.textContent.trim()));
  }
}

// Below the term, or above it in the lower half of the window.
function place(note, { left, top, bottom }) {
  const { clientWidth, clientHeight } = document.documentElement;
  const width = Math.min(WIDTH_PX, clientWidth - 2 * MARGIN_PX);
  const isLow = bottom > clientHeight / 2;
  note.style.width = `${width}px`;
  note.style.left = `${Math.max(MARGIN_PX, Math.min(left, clientWidth - width - MARGIN_PX))}px`;
  note.style.top = isLow ? "auto" : `${bottom + MARGIN_PX}px`;
  note.style.bottom = isLow ? `${clientHeight - top + MARGIN_PX}px` : "auto";
}
