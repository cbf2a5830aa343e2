// Compare: the same workloads on several targets.
import { get } from "../lib/api.js";
import {
  fillSelect,
  fillTargetBoxes,
  limitTargets,
  listedTargets,
  loadTargets,
} from "../lib/choices.js";
import { byId, fill, h, numberCell } from "../lib/dom.js";
import { term } from "../lib/explain.js";
import { count, difference, percent, plural, significant } from "../lib/format.js";
import { messageOf, showInstead, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { createPagedTable } from "../lib/paged-table.js";
import { addCsvButton, pickFields } from "../lib/save.js";
import { readState, url, writeState } from "../lib/url.js";
import { compareColumns } from "../tables/compare.js";

// `by`: the target whose latency or ratio is sorted by.
const DEFAULTS = { target: [], sort: "ratio", by: "" };
const MAX_TARGETS = 6;
const PAGE = 100;

const state = readState(DEFAULTS);
let summary = null;
let table = null;

start(async () => {
  const targets = (await loadTargets()).filter(({ samples }) => samples > 0);
  const names = targets.map(({ name }) => name);
  byId("loading").hidden = true;
  if (names.length < 2) {
    showInstead("A comparison needs at least two targets with samples.");
    return;
  }
  byId("form").hidden = false;
  const listed = listedTargets(state.target, names, "target with samples");
  const selected = listed.slice(0, MAX_TARGETS);
  const otherNames = names.filter((name) => !selected.includes(name));
  state.target = [...selected, ...otherNames.slice(0, Math.max(0, 2 - selected.length))];
  fillTargetBoxes("targets", names, state.target);
  byId("form").addEventListener("submit", (event) => event.preventDefault());
  byId("form").addEventListener("change", changeTargets);
  addCsvButton("parts-csv", "compared-parts", csvParts);
  await show();
});

async function changeTargets({ target: field }) {
  const otherNames = state.target.filter((name) => name !== field.value);
  if (field.id === "reference") state.target = [field.value, ...otherNames];
  else state.target = field.checked ? [...otherNames, field.value] : otherNames;
  state.by = "";
  await show();
}

async function show() {
  writeState(state, DEFAULTS);
  limitTargets(MAX_TARGETS);
  fillSelect("reference", state.target, state.target[0]);
  if (state.target.length < 2) {
    showInstead("Choose at least two targets.");
    return;
  }
  try {
    summary = await get("/v1/compare/summary", { target: state.target });
  } catch (error) {
    showInstead(messageOf(error));
    return;
  }
  if (!summary.all) {
    showInstead(
      "These targets share no workloads. To measure the same workloads on each of them, start " +
        "campaigns with the same space and the same seed.",
    );
    return;
  }
  showResults();
  showExport();
  showSummary();
  showParts();
  await showTable();
}

function showExport() {
  byId("export").href = url("/v1/compare/export", state);
}

function showSummary() {
  const part = summary.share < 1
    ? `, a random ${significant(100 * summary.share, 2)}% of all workloads`
    : "";
  byId("shared").textContent = `${plural(summary.workloads, "shared workload")}${part}. ` +
    "Each is compared by the median of its undisturbed samples.";
  fill(byId("summary"), summary.all.targets.map(summaryRow));
}

function summaryRow(figures, index) {
  const { target, p10_ratio: p10, p90_ratio: p90 } = figures;
  const isReference = index === 0;
  const reference = h("span", { class: "soft" }, "reference");
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, h("a", { href: url("/table", { target }) }, target)),
    numberCell(
      "Median difference",
      isReference ? reference : differenceText(figures.median_ratio),
    ),
    numberCell(
      "10th to 90th percentile",
      isReference ? "" : `${difference(p10).text} to ${difference(p90).text}`,
    ),
    numberCell("Fastest on", percent(figures.fastest_pct)),
  );
}

function showParts() {
  const columns = [
    ["part_count", "Count"],
    ...state.target.slice(1).map((name) => ["part_difference", name]),
  ];
  fill(
    byId("part-names"),
    h("th", { scope: "col" }, term("part", "Workloads")),
    columns.map(([key, name]) => h("th", { scope: "col", class: "num" }, term(key, name))),
  );
  fill(byId("parts"), [...summary.kinds, ...summary.blocks].map(partRow));
}

function partRow({ kind, block, space_name: space, workloads, targets }) {
  const name = block
    ? [h("span", { class: "code" }, block), space && h("span", { class: "soft" }, ` of ${space}`)]
    : kind === "network"
    ? "whole networks"
    : "blocks";
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, name),
    numberCell("Count", count(workloads)),
    targets.slice(1).map(({ target, median_ratio: median }) =>
      numberCell(target, differenceText(median))
    ),
  );
}

// The summary, kinds and blocks, with a row for each target.
function csvParts() {
  const partColumns = ["kind", "space_name", "block", "workloads"];
  const targetColumns = ["target", "median_ratio", "p10_ratio", "p90_ratio", "fastest_pct"];
  const rows = [summary.all, ...summary.kinds, ...summary.blocks].flatMap((part) =>
    part.targets.map((figures) => [
      ...pickFields(partColumns, part),
      ...pickFields(targetColumns, figures),
    ])
  );
  return [[...partColumns, ...targetColumns], ...rows];
}

// The difference as people say it, and the exact ratio.
function differenceText(ratio) {
  const { text, isFaster } = difference(ratio);
  return [
    h("span", { class: isFaster && "good" }, text),
    h("span", { class: "small soft" }, ` ratio ${significant(ratio)}`),
  ];
}

async function showTable() {
  // Its columns depend on the targets, so other targets need another table.
  if (table) {
    table.destroy();
    byId("table").replaceChildren();
  }
  table = await createPagedTable("table", {
    label: "Shared workloads",
    columns: compareColumns(state.target),
    sort: columnSort(),
    onSort: (sort) => {
      Object.assign(state, apiSort(sort));
      writeState(state, DEFAULTS);
      showExport();
    },
    loadPage: async (after, sort) => {
      const parameters = { target: state.target, ...apiSort(sort), after, limit: PAGE };
      const { items, next } = await get("/v1/compare", parameters);
      return { items: items.map((row) => ({ ...row, key: row.sample })), next };
    },
  });
}

// The API sorts by a figure of one target; in the table every target has columns of its own.
function columnSort() {
  const n = state.target.indexOf(state.by);
  const isLatency = state.sort.endsWith("latency_ms");
  return {
    field: isLatency ? `latency_${Math.max(0, n)}` : `ratio_${Math.max(1, n)}`,
    dir: state.sort.startsWith("-") ? "desc" : "asc",
  };
}

function apiSort({ field, dir }) {
  const [figure, n] = field.split("_");
  const sort = figure === "ratio" ? "ratio" : "latency_ms";
  return { sort: dir === "desc" ? `-${sort}` : sort, by: state.target[Number(n)] };
}
