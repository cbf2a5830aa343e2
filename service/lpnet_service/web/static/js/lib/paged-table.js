// Long tables that the service sorts, filters and pages: Tabulator over pages with cursors.
import { matchMedia } from "./browser.js";
import { byId, h } from "./dom.js";
import { term } from "./explain.js";
import { showError } from "./page.js";

let library = null;

/**
 * A table in the element with this id.
 *
 * `columns` are Tabulator's, each with a `term`, the key of its explanation.
 * `loadPage(cursor, sort)` returns a page, {items, next}; an item has a unique `key`. `sort` is the
 * first sorting, {field, dir}; `onSort` is called with a new one. `label` names the table for
 * screen readers, `onRow` is called with each row that is drawn.
 */
export async function createPagedTable(id, { columns, loadPage, sort, onSort, label, onRow }) {
  library ??= import("../../vendor/tabulator/tabulator.mjs");
  const { TabulatorFull } = await library;
  const container = byId(id);
  const table = new TabulatorFull(container, {
    columns: columns.map(explained),
    index: "key",
    layout: "fitColumns",
    height: "min(36rem, 70vh)",
    placeholder: "No workload matches.",
    sortMode: "remote",
    headerSortTristate: false,
    initialSort: [{ column: sort.field, dir: sort.dir }],
    progressiveLoad: "scroll",
    progressiveLoadScrollMargin: 400,
    ajaxURL: "page",
    ajaxRequestFunc: pageLoader(loadPage, sort, onSort, container),
    rowFormatter: (row) => {
      makeRowFocusable(row.getElement());
      onRow?.(row);
    },
  });
  await new Promise((resolve) => table.on("tableBuilt", resolve));
  container.setAttribute("aria-label", label);
  // Rows take the focus; a holder that takes it too is neither row nor group to a screen reader.
  container.querySelector(".tabulator-tableholder").removeAttribute("tabindex");
  sortByKeyboard(container);
  const phone = matchMedia("(max-width: 44rem)");
  const redraw = () => table.redraw(true);
  phone.addEventListener("change", redraw);
  return {
    reload: () => table.setData("page"),
    destroy: () => {
      phone.removeEventListener("change", redraw);
      table.destroy();
    },
    visibleRows: () => table.getRows("visible"),
    onRowClick: (listener) => table.on("rowClick", (_event, row) => listener(row.getData())),
  };
}

// A column that explains itself. Its title labels its cells: at phone width a row is a card.
function explained({ term: key, ...column }) {
  return {
    headerSort: false,
    headerHozAlign: column.hozAlign,
    // The title of a column that sorts is not the term, since a click on it sorts.
    titleFormatter: () =>
      column.headerSort
        ? h("span", {}, column.title, " ", term(key, "?", `What is ${column.title}?`))
        : term(key, column.title),
    ...column,
    formatter: (cell) => {
      cell.getElement().dataset.label = column.title;
      return column.formatter(cell);
    },
  };
}

// Loads the first page for each new sorting or filter, and then the page at the last cursor.
function pageLoader(loadPage, firstSort, onSort, container) {
  let cursor = null;
  let loads = 0;
  return async (_url, _config, request) => {
    const isFirstPage = request.page === 1;
    const sort = request.sort?.[0] ?? firstSort;
    if (isFirstPage) {
      if (loads > 0) onSort?.(sort);
      loads += 1;
    }
    const load = loads;
    const noRows = { last_page: request.page, data: [] };
    try {
      const { items, next } = await loadPage(isFirstPage ? null : cursor, sort);
      if (load !== loads) return noRows;
      cursor = next;
      return { last_page: next ? request.page + 1 : request.page, data: items };
    } catch (error) {
      showError(error, container.parentElement);
      return noRows;
    }
  };
}

/** A Tabulator formatter; `render` returns elements or text for the data of a row. */
export function formatter(render) {
  return (cell) => h("span", {}, render(cell.getRow().getData()));
}

// Tabulator sorts by mouse only.
function sortByKeyboard(container) {
  for (const header of container.querySelectorAll(".tabulator-col.tabulator-sortable")) {
    header.tabIndex = 0;
    header.addEventListener("keydown", (event) => {
      if (event.target !== header || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      header.click();
    });
  }
}

function makeRowFocusable(row) {
  if (row.tabIndex === 0) return;
  row.tabIndex = 0;
  row.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === row) row.click();
  });
}
