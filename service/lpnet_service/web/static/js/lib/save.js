// Saving what a page shows as a file.
import { byId, h } from "./dom.js";

/** Save a file whose content is at `href`: a data or object URL, or a path of this service. */
export function saveUrl(fileName, href) {
  h("a", { download: fileName, href }).click();
}

/** Save rows, each a list of values, as a CSV file for spreadsheets. */
export function saveCsv(fileName, rows) {
  const text = rows.map((row) => `${row.map(quote).join(",")}\r\n`).join("");
  const href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  saveUrl(fileName, href);
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/** Let a button save the rows that `getRows` returns when it is clicked. */
export function addCsvButton(id, name, getRows) {
  byId(id).addEventListener("click", () => saveCsv(`${name}.csv`, getRows()));
}

/** Rows of a CSV file: the column names, then these fields of every item. */
export function csvRows(columns, items) {
  return [columns, ...items.map((item) => pickFields(columns, item))];
}

/** The values of these fields of an item. */
export function pickFields(names, item) {
  return names.map((name) => item[name]);
}

function quote(value) {
  if (value === null || value === undefined) return "";
  // A spreadsheet would run a cell that begins like a formula.
  const isFormula = typeof value === "string" && /^[=+\-@\t\r]/.test(value);
  const text = isFormula ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
