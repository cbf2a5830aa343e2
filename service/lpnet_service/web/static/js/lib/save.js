// Saving what is seen as a file.
import { byId } from "./dom.js";

/** Save a file whose content is at `url` (a data or object URL, or an address of this service). */
export function saveUrl(name, url) {
  const link = document.createElement("a");
  link.download = name;
  link.href = url;
  link.click();
}

/** Save rows (lists of values) as CSV that spreadsheets read. */
export function saveCsv(name, rows) {
  const text = rows.map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  saveUrl(name, url);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Have the button with this id save what `rows` gives by then, lists of which the first has names. */
export function savesCsv(id, name, rows) {
  byId(id).addEventListener("click", () => saveCsv(`${name}.csv`, rows()));
}

function quoted(value) {
  if (value === null || value === undefined) return "";
  // A cell that begins like a formula is one to a spreadsheet.
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
