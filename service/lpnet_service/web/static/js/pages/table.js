// The latency table of a target, which the service sorts, filters, searches and pages.
import { get } from "../lib/api.js";
import { fillSelect, loadSpaces, loadTargets, spaceLabel } from "../lib/choices.js";
import { byId, fill, h } from "../lib/dom.js";
import { ago, count, dateTime, ms, percent, plural, significant, unknown } from "../lib/format.js";
import { messageOf, showNotice } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { createPagedTable, formatter } from "../lib/paged-table.js";
import { readState, url, writeState } from "../lib/url.js";

const DEFAULTS = {
  target: "",
  search: "",
  kind: "",
  space: "",
  block: "",
  draw: "",
  disturbed: "",
  min_ms: "",
  max_ms: "",
  sort: "-measured_at",
  sample: "",
};
const FILTERS = ["search", "kind", "space", "block", "draw", "disturbed", "min_ms", "max_ms"];
const PAGE = 100;
const TYPING_DELAY_MS = 250;
const MAX_WIDTHS_SHOWN = 6;

const state = readState(DEFAULTS);
let spaces = [];
let floors = [];
let table = null;

start(async () => {
  const [targets, loadedSpaces, noise] = await Promise.all([
    loadTargets(),
    loadSpaces(),
    get("/v1/noise-floors"),
  ]);
  spaces = loadedSpaces;
  floors = noise.items;
  if (!targets.length) {
    showNotice("There is no target yet. The Devices page shows how to add one.");
    return;
  }
  const names = targets.map(({ name }) => name);
  state.target = fillSelect("target", names, state.target || largest(targets).name);
  for (const name of FILTERS) byId(name).value = state[name];
  const facets = loadFacets();
  // Facets drop filter values that do not exist; without such filters rows need not wait.
  if (state.space || state.block || state.draw) await facets;
  table = await createPagedTable("table", {
    label: "Measured workloads",
    columns: COLUMNS,
    sort: {
      field: state.sort.replace("-", ""),
      dir: state.sort.startsWith("-") ? "desc" : "asc",
    },
    onSort: (sort) => change({ sort: apiSort(sort) }),
    loadPage,
    onRow: (row) => {
      const { disturbed, id } = row.getData();
      row.getElement().classList.toggle("disturbed", disturbed);
      row.getElement().classList.toggle("selected", id === state.sample);
    },
  });
  await facets;
  table.onRowClick(select);
  byId("form").addEventListener("submit", (event) => event.preventDefault());
  let timer = null;
  byId("form").addEventListener("input", ({ target: { id, type } }) => {
    const isTyped = type === "search" || type === "number";
    clearTimeout(timer);
    timer = setTimeout(() => changeFilter(id), isTyped ? TYPING_DELAY_MS : 0);
  });
});

function largest(targets) {
  return targets.reduce((best, target) => (target.samples > best.samples ? target : best));
}

const COLUMNS = [
  {
    title: "Workload",
    field: "block",
    minWidth: 170,
    widthGrow: 2,
    formatter: formatter((row) => [
      workloadName(row),
      h("div", { class: "small soft" }, row.space_name ?? "ops"),
    ]),
  },
  {
    title: "Widths",
    field: "widths",
    minWidth: 150,
    widthGrow: 2,
    formatter: formatter(({ workload }) =>
      h("span", { class: "small code" }, widthsText(workload))
    ),
  },
  {
    title: "Latency",
    field: "latency_ms",
    headerSort: true,
    hozAlign: "right",
    minWidth: 110,
    formatter: formatter((row) => h("span", { class: "num" }, ms(row.latency_ms))),
  },
  {
    title: "Spread",
    field: "std_ms",
    hozAlign: "right",
    minWidth: 90,
    formatter: formatter((row) => h("span", { class: "num soft" }, spread(row))),
  },
  {
    title: "Predicted",
    field: "predicted_ms",
    hozAlign: "right",
    minWidth: 110,
    formatter: formatter((row) =>
      h("span", { class: "num" }, ms(row.predicted_ms, "no LPNet, or it does not cover these ops"))
    ),
  },
  {
    title: "Error",
    field: "error_pct",
    hozAlign: "right",
    minWidth: 90,
    formatter: formatter(errorText),
  },
  {
    title: "Drawn",
    field: "draw",
    minWidth: 95,
    formatter: formatter((row) =>
      h("span", { class: "small" }, row.draw ?? "", row.held_out && " · held out")
    ),
  },
  {
    title: "Measured",
    field: "measured_at",
    headerSort: true,
    minWidth: 125,
    formatter: formatter((row) =>
      h("span", { class: "small" }, ago(row.measured_at, "time not recorded"))
    ),
  },
  {
    title: "Conditions",
    field: "disturbed",
    minWidth: 190,
    widthGrow: 3,
    formatter: formatter((row) =>
      row.disturbed
        ? h("span", { class: "warn small" }, "disturbed: ", row.reasons.join("; "))
        : h("span", { class: "soft small" }, conditionsText(row))
    ),
  },
];

function workloadName({ kind, workload }) {
  if (kind === "network") return "whole network";
  return h("span", { class: "code" }, workload.block ?? "block");
}

function widthsText({ widths, ops, space: hash }) {
  if (!widths) return ops.map((op) => op.c_out ?? op.type).join(" · ");
  const values = Object.values(widths);
  if (values.length <= MAX_WIDTHS_SHOWN) return values.join(" · ");
  const number = `${values.length} widths`;
  const space = spaces.find((candidate) => candidate.hash === hash);
  if (!space) return number;
  const dense = space.widths.reduce((sum, { max }) => sum + max, 0);
  const kept = values.reduce((sum, value) => sum + value, 0);
  return `${Math.round((100 * kept) / dense)}% of ${number}`;
}

function spread({ std_ms: std, latency_ms: latency }) {
  return std === null ? unknown("not recorded") : ["± ", percent((100 * std) / latency)];
}

function errorText({ error_pct: error }) {
  if (error === null) return unknown("not predicted");
  const size = Math.abs(error);
  const style = size > 10 ? "bad" : size > 5 ? "warn" : "";
  return h("span", { class: `num ${style}` }, percent(error, { sign: true }));
}

function conditionsText({ count: runs, conditions }) {
  const { frequency_mhz: mhz, temperature_c: celsius } = conditions ?? {};
  return [
    runs && `${count(runs)} runs`,
    mhz && `${significant(mhz / 1000, 2)} GHz`,
    celsius && `${Math.round(celsius)} °C`,
  ].filter(Boolean).join(" · ");
}

function apiSort({ field, dir }) {
  return dir === "desc" ? `-${field}` : field;
}

function targetPath(path) {
  return `/v1/targets/${encodeURIComponent(state.target)}/${path}`;
}

function filters() {
  return Object.fromEntries(FILTERS.map((name) => [name, state[name]]));
}

async function loadPage(after, sort) {
  const parameters = { ...filters(), sort: apiSort(sort), after, limit: PAGE };
  try {
    const page = await get(targetPath("table"), parameters);
    showNotice("");
    if (after === null) showFirstPage(page, sort);
    return { items: page.items.map((row) => ({ ...row, key: row.id })), next: page.next };
  } catch (error) {
    showNotice(messageOf(error));
    return { items: [], next: null };
  }
}

// The interval of the target's noise floor, which is of its current epoch.
function interval() {
  const floor = floors.find(({ target }) => target === state.target);
  if (!floor || floor.low_pct === null) return "";
  return ` (${floor.low_pct.toFixed(1)} to ${floor.high_pct.toFixed(1)})`;
}

function showFirstPage(page, sort) {
  const matching = plural(page.matching, "sample");
  const floor = page.noise_floor_pct;
  const noise = floor === null
    ? `Noise floor unknown: ${page.noise_floor_reason}.`
    : `Noise floor ${floor.toFixed(1)}%${interval()}: smaller errors cannot be told from noise.`;
  byId("matching").textContent = `${page.matching_exact ? "" : "more than "}${matching}. ${noise}`;
  const download = { ...filters(), sort: apiSort(sort), format: "csv" };
  byId("export").href = url(targetPath("table/export"), download);
  byId("compare").href = url("/compare", { target: [state.target] });
  byId("about").textContent = page.lpnet
    ? "Every measured block and network of a target, with the prediction of its LPNet."
    : "Every measured block and network of a target. This one has no LPNet yet, so there are no " +
      "predictions.";
  const row = page.items.find(({ id }) => id === state.sample);
  if (row) select(row);
}

// Fill the lists of spaces, blocks and draws with those that the target has samples of.
async function loadFacets() {
  const facets = await get(targetPath("facets"));
  const option = (value, label, samples) => ({ value, label: `${label} (${count(samples)})` });
  const blocks = new Map();
  for (const { block, samples } of facets.blocks) {
    blocks.set(block, (blocks.get(block) ?? 0) + samples);
  }
  const spaceFacets = facets.spaces.filter(({ space }) => space).map(({ space, name, samples }) =>
    option(space, spaceLabel(space, spaces, name ?? undefined), samples)
  );
  const blockFacets = [...blocks].map(([block, samples]) => option(block, block, samples));
  const drawFacets = facets.draws.filter(({ value }) => value).map(({ value, samples }) =>
    option(value, value, samples)
  );
  state.space = fillSelect("space", spaceFacets, state.space, "any space");
  state.block = fillSelect("block", blockFacets, state.block, "any block");
  state.draw = fillSelect("draw", drawFacets, state.draw, "in any way");
}

function change(values) {
  Object.assign(state, values);
  writeState(state, DEFAULTS);
}

async function changeFilter(id) {
  byId("sample").hidden = true;
  if (id === "target") {
    change({ target: byId("target").value, space: "", block: "", draw: "", sample: "" });
    await loadFacets();
  } else {
    const values = FILTERS.map((name) => [name, byId(name).value]);
    change({ ...Object.fromEntries(values), sample: "" });
  }
  await table.reload();
}

// Show the details of a sample.
function select(row) {
  change({ sample: row.id });
  for (const tableRow of table?.visibleRows() ?? []) {
    tableRow.getElement().classList.toggle("selected", tableRow.getData().id === row.id);
  }
  const card = byId("sample");
  const space = spaces.find(({ hash }) => hash === row.workload.space);
  const spaceName = space && h("span", { class: "soft" }, `of ${spaceLabel(space.hash, spaces)}`);
  const facts = [...sampleFacts(row), ...conditionFacts(row.conditions ?? {})];
  fill(
    card,
    h("h2", {}, workloadName(row), " ", spaceName),
    h(
      "dl",
      { class: "facts" },
      facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
    space && row.predicted_ms !== null && h("p", {}, sampleLink(row, space)),
  );
  card.hidden = false;
}

function sampleFacts(row) {
  const { p10_ms: p10, p90_ms: p90, error_pct: error, session, workload } = row;
  const widths = Object.entries(workload.widths ?? {}).map(([name, value]) => `${name} ${value}`);
  return [
    ["Sample", h("span", { class: "code" }, row.id)],
    ["Latency", [ms(row.latency_ms), row.count && ` median of ${count(row.count)} runs`]],
    p10 !== null && p10 !== undefined && ["10th to 90th percentile", [ms(p10), " to ", ms(p90)]],
    [
      "Predicted",
      [
        ms(row.predicted_ms, "not predicted"),
        error !== null && [" (", percent(error, { sign: true }), ")"],
      ],
    ],
    ["Measured", row.measured_at ? dateTime(row.measured_at) : "time not recorded"],
    session && ["Session", h("span", { class: "code" }, session)],
    [
      "Conditions",
      row.disturbed ? h("span", { class: "warn" }, row.reasons.join("; ")) : "undisturbed",
    ],
    widths.length > 0 && ["Widths", h("span", { class: "code small" }, widths.join(", "))],
  ].filter(Boolean);
}

function conditionFacts(conditions) {
  return Object.entries(conditions)
    .filter(([, value]) => value !== null && value.length !== 0)
    .map(([name, value]) => [
      name.replaceAll("_", " "),
      Array.isArray(value) ? value.map((item) => item.toPrecision(4)).join(", ") : String(value),
    ]);
}

// From a network to the same widths in What if; from a block to the curve of the width that varies.
function sampleLink({ kind, workload }, space) {
  const { batch, block, widths } = workload;
  const changed = space.widths.filter(({ name, max }) => name in widths && widths[name] !== max);
  if (kind === "network") {
    const w = changed.map(({ name }) => `${name}:${widths[name]}`);
    const whatIf = url("/what-if", { target: state.target, space: space.hash, batch, w });
    return h("a", { href: whatIf }, "Try other widths");
  }
  const width = changed[0]?.name ?? Object.keys(widths)[0];
  const curve = { target: [state.target], space: space.hash, block, width, batch };
  return h("a", { href: url("/curves", curve) }, "Show its latency curve");
}
