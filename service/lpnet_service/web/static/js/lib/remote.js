// Long tables whose sorting, filtering and paging are the service's: Tabulator over keyset pages.
import { byId, h } from "./dom.js";
import { failed } from "./page.js";

let library = null;

/**
 * A table in the element with this id. `page(cursor, sort)` fetches a page, `{items, next}`; `sort`
 * is `{field, dir}` of a sorted column. `columns` as Tabulator takes them; `cell(f)` makes a
 * formatter of a function that returns elements or text. Returns `{reload}`.
 */
export async function remote(id, { columns, page, sort, onsort, label, row }) {
  library ??= import("../../vendor/tabulator/tabulator.mjs");
  const { TabulatorFull } = await library;
  const place = byId(id);
  let cursor = null;
  let started = false;
  let generation = 0;
  const table = new TabulatorFull(place, {
    columns: columns.map((column) => ({ headerSort: false, headerHozAlign: column.hozAlign, ...column })),
    index: "key",
    layout: "fitColumns",
    height: "min(36rem, 70vh)",
    placeholder: "Nothing is like that.",
    sortMode: "remote",
    headerSortTristate: false,
    initialSort: [{ column: sort.field, dir: sort.dir }],
    progressiveLoad: "scroll",
    progressiveLoadScrollMargin: 400,
    ajaxURL: "page",
    ajaxRequestFunc: async (_url, _config, asked) => {
      const first = asked.page === 1;
      const mine = first ? ++generation : generation;
      const by = asked.sort?.[0] ?? sort;
      if (first && started) onsort?.(by);
      started = true;
      try {
        const found = await page(first ? null : cursor, by);
        if (mine !== generation) return { last_page: asked.page, data: [] };
        cursor = found.next;
        return { last_page: found.next ? asked.page + 1 : asked.page, data: found.items };
      } catch (error) {
        if (error.name !== "AbortError") failed(error, place.parentElement);
        return { last_page: asked.page, data: [] };
      }
    },
    rowFormatter: (each) => {
      reachable(each.getElement());
      row?.(each);
    },
  });
  await new Promise((resolve) => table.on("tableBuilt", resolve));
  place.setAttribute("aria-label", label);
  // Rows take the focus; a holder that does is neither row nor group to a screen reader.
  place.querySelector(".tabulator-tableholder").removeAttribute("tabindex");
  keyboard(place);
  return { table, reload: () => table.setData("page") };
}

/** A formatter of Tabulator from a function of the row's data. */
export function cell(make) {
  return (cell) => h("span", {}, make(cell.getRow().getData()));
}

// Tabulator sorts by the mouse alone.
function keyboard(place) {
  for (const header of place.querySelectorAll(".tabulator-col.tabulator-sortable")) {
    header.tabIndex = 0;
    header.addEventListener("keydown", (press) => {
      if (press.key !== "Enter" && press.key !== " ") return;
      press.preventDefault();
      header.click();
    });
  }
}

function reachable(row) {
  if (row.tabIndex === 0) return;
  row.tabIndex = 0;
  row.addEventListener("keydown", (press) => {
    if (press.key === "Enter" && press.target === row) row.click();
  });
}
