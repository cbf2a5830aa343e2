// The latency table of a target, which the service sorts, filters, searches and pages.
import { get } from "../lib/api.js";
import { document } from "../lib/browser.js";
import { fillSelect, loadSpaces, loadTargets, spaceLabel } from "../lib/choices.js";
import { byId, fill, h } from "../lib/dom.js";
import { count, plural } from "../lib/format.js";
import { showGone } from "../lib/gone.js";
import { messageOf, showNotice } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { createPagedTable } from "../lib/paged-table.js";
import { readState, url, writeState } from "../lib/url.js";
import { latencyColumns, workloadName } from "../tables/latency.js";
import { factList, sampleLink } from "../tables/sample.js";

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
  const target = state.target || largest(targets).name;
  state.target = fillSelect("target", names, target, undefined, "target");
  for (const name of FILTERS) byId(name).value = state[name];
  const facets = loadFacets();
  // Facets drop filter values that do not exist; without such filters rows need not wait.
  if (state.space || state.block || state.draw) await facets;
  table = await createPagedTable("table", {
    label: "Measured workloads",
    columns: latencyColumns(spaces),
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
  table.onRowClick((row) => {
    select(row);
    byId("sample").focus({ preventScroll: true });
  });
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !byId("sample").hidden) closeSample();
  });
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
  else if (state.sample) showGone(`There is no sample “${state.sample}” among these.`);
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
  state.space = fillSelect("space", spaceFacets, state.space, "any space", "measured space");
  state.block = fillSelect("block", blockFacets, state.block, "any block", "measured block");
  state.draw = fillSelect("draw", drawFacets, state.draw, "in any way", "workload drawn");
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
  const space = spaces.find(({ hash }) => hash === row.workload.space);
  const spaceName = space && h("span", { class: "soft" }, `of ${spaceLabel(space.hash, spaces)}`);
  const close = h(
    "button",
    { type: "button", class: "quiet small", onclick: closeSample },
    "Close",
  );
  const card = byId("sample");
  fill(
    card,
    h("div", { class: "row" }, h("h2", {}, workloadName(row), " ", spaceName), close),
    space && row.predicted_ms !== null && h("p", {}, sampleLink(row, state.target, space)),
    factList(row),
  );
  card.hidden = false;
}

function closeSample() {
  byId("sample").hidden = true;
  const row = document.querySelector("#table .tabulator-row.selected");
  row?.classList.remove("selected");
  row?.focus();
  change({ sample: "" });
}
