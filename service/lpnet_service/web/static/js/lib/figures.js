// Figures in a row, each with its explanation.
import { byId, fill, h } from "./dom.js";
import { term } from "./explain.js";

/**
 * Fill a definition list with figures, each as [key of the glossary, name, value]. Names that
 * stay are not drawn again, so that an explanation stays open while figures are updated.
 */
export function fillFigures(id, figures) {
  const list = byId(id);
  const names = figures.map(([key, name]) => `${key} ${name}`).join("\n");
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    fill(
      list,
      figures.map(([key, name]) => h("div", {}, h("dt", {}, term(key, name)), h("dd"))),
    );
  }
  const values = list.querySelectorAll("dd");
  figures.forEach(([, , value], index) => fill(values[index], value));
}
