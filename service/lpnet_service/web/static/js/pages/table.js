// The latency table of a target: sorted, filtered, searched and paged by the service.
import { read, write } from "../lib/address.js";
import { ApiError, address, get } from "../lib/api.js";
import { byId, fill, h } from "../lib/dom.js";
import { ago, count, digits, exact, ms, percent } from "../lib/format.js";
import { start } from "../lib/page.js";
import { choices, spaceLabel, spaces, targets } from "../lib/pick.js";
import { cell, remote } from "../lib/remote.js";

const USUAL = { target: "", search: "", kind: "", space: "", block: "", draw: "", disturbed: "", min_ms: "", max_ms: "", sort: "-measured_at", sample: "" };
const FILTERS = ["search", "kind", "space", "block", "draw", "disturbed", "min_ms", "max_ms"];
const PAGE = 100;
const PATIENCE_MS = 250;

const asked = read(USUAL);
let held = [];
let table = null;

start(async () => {
  const [all, known] = await Promise.all([targets(), spaces()]);
  held = known;
  if (!all.length) {
    cannot("There is no target yet. The page Devices says how to get one.");
    return;
  }
  asked.target = choices("target", all.map(({ name }) => ({ value: name, label: name })), asked.target || most(all).name);
  for (const name of FILTERS) byId(name).value = asked[name];
  // Filters are checked against what there is; without any, rows need not wait.
  const listed = facets();
  if (asked.space || asked.block || asked.draw) await listed;
  table = await remote("table", {
    label: "Measured workloads",
    columns: COLUMNS,
    sort: { field: asked.sort.replace("-", ""), dir: asked.sort.startsWith("-") ? "desc" : "asc" },
    onsort: ({ field, dir }) => keep({ sort: dir === "desc" ? `-${field}` : field }),
    page,
    row: (row) => {
      const element = row.getElement();
      const { disturbed, id } = row.getData();
      element.classList.toggle("disturbed", disturbed);
      element.classList.toggle("chosen", id === asked.sample);
    },
  });
  await listed;
  table.table.on("rowClick", (_event, row) => choose(row.getData()));
  byId("form").addEventListener("submit", (submit) => submit.preventDefault());
  let waiting = null;
  byId("form").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => changed(event.target.id), event.target.type === "search" || event.target.type === "number" ? PATIENCE_MS : 0);
  });
});

// The first that is seen should have something to see.
function most(all) {
  return all.reduce((best, target) => (target.samples > best.samples ? target : best));
}

const COLUMNS = [
  { title: "Workload", field: "block", minWidth: 170, widthGrow: 2, formatter: cell((row) => [what(row), h("div", { class: "small soft" }, row.space_name ?? "ops")]) },
  { title: "Widths", field: "widths", minWidth: 150, widthGrow: 2, formatter: cell((row) => h("span", { class: "small code" }, widths(row))) },
  { title: "Latency", field: "latency_ms", headerSort: true, hozAlign: "right", minWidth: 110, formatter: cell((row) => h("span", { class: "num" }, ms(row.latency_ms))) },
  { title: "Spread", field: "std_ms", hozAlign: "right", minWidth: 90, formatter: cell((row) => h("span", { class: "num soft" }, row.std_ms === null ? percent(null, { reason: "the sample does not say" }) : ["± ", percent((100 * row.std_ms) / row.latency_ms)])) },
  { title: "Predicted", field: "predicted_ms", hozAlign: "right", minWidth: 110, formatter: cell((row) => h("span", { class: "num" }, ms(row.predicted_ms, "no LPNet yet, or ops that it does not cover"))) },
  { title: "Error", field: "error_pct", hozAlign: "right", minWidth: 90, formatter: cell(error) },
  { title: "Drawn", field: "draw", minWidth: 95, formatter: cell((row) => h("span", { class: "small" }, row.draw ?? "", row.held_out ? " · held out" : "")) },
  { title: "Measured", field: "measured_at", headerSort: true, minWidth: 125, formatter: cell((row) => h("span", { class: "small" }, ago(row.measured_at, "nobody recorded when"))) },
  { title: "Conditions", field: "disturbed", minWidth: 190, widthGrow: 3, formatter: cell((row) => (row.disturbed ? h("span", { class: "warn small" }, "disturbed: ", row.reasons.join("; ")) : h("span", { class: "soft small" }, quiet(row)))) },
];

function quiet({ count: runs, conditions }) {
  const { frequency_mhz: mhz, temperature_c: celsius } = conditions ?? {};
  return [runs && `${count(runs)} runs`, mhz && `${digits(mhz / 1000, 2)} GHz`, celsius && `${Math.round(celsius)} °C`].filter(Boolean).join(" · ");
}

function what(row) {
  if (row.kind === "network") return "whole network";
  return h("span", { class: "code" }, row.workload.block ?? "block");
}

function widths(row) {
  const given = row.workload.widths;
  if (!given) return row.workload.ops.map((op) => op.c_out ?? op.type).join(" · ");
  const values = Object.values(given);
  if (values.length <= 6) return values.join(" · ");
  const space = held.find(({ hash }) => hash === row.workload.space);
  const full = space?.widths.reduce((sum, { max }) => sum + max, 0);
  const kept = values.reduce((sum, value) => sum + value, 0);
  return full ? `${Math.round((100 * kept) / full)}% of ${values.length} widths` : `${values.length} widths`;
}

function error(row) {
  if (row.error_pct === null) return percent(null, { reason: "not predicted" });
  const beyond = Math.abs(row.error_pct) > 10 ? "bad" : Math.abs(row.error_pct) > 5 ? "warn" : "";
  return h("span", { class: `num ${beyond}` }, percent(row.error_pct, { sign: true }));
}

function filters() {
  return Object.fromEntries(FILTERS.map((name) => [name, asked[name]]));
}

async function page(after, { field, dir }) {
  const sort = dir === "desc" ? `-${field}` : field;
  try {
    const found = await get(`/v1/targets/${encodeURIComponent(asked.target)}/table`, { ...filters(), sort, after, limit: PAGE });
    byId("cannot").hidden = true;
    if (after === null) said(found, sort);
    return { items: found.items.map((row) => ({ ...row, key: row.id })), next: found.next };
  } catch (problem) {
    if (!(problem instanceof ApiError) || problem.status === 0) throw problem;
    cannot(problem.message);
    return { items: [], next: null };
  }
}

function said(found, sort) {
  const more = found.matching_exact ? "" : "more than ";
  const noise = found.noise_floor_pct === null ? `Noise floor unknown: ${found.noise_floor_reason}.` : `Noise floor ${found.noise_floor_pct.toFixed(1)}%: no error below it means anything.`;
  byId("matching").textContent = `${more}${count(found.matching)} ${found.matching === 1 ? "sample" : "samples"}. ${noise}`;
  byId("export").href = address(`/v1/targets/${encodeURIComponent(asked.target)}/table/export`, { ...filters(), sort, format: "csv" });
  byId("against").href = address("/compare", { target: [asked.target] });
  byId("about").textContent = found.lpnet ? "Every measured block and network of a target, beside what its LPNet says." : "Every measured block and network of a target. It has no LPNet yet, so nothing is predicted.";
  const row = asked.sample && found.items.find(({ id }) => id === asked.sample);
  if (row) choose(row);
}

async function facets() {
  const found = await get(`/v1/targets/${encodeURIComponent(asked.target)}/facets`);
  const entry = (value, label, samples) => ({ value, label: `${label} (${count(samples)})` });
  const blocks = new Map();
  for (const { block, samples } of found.blocks) blocks.set(block, (blocks.get(block) ?? 0) + samples);
  const spacesThere = found.spaces.filter(({ space }) => space);
  asked.space = choices("space", spacesThere.map(({ space, name, samples }) => entry(space, label(space, name), samples)), asked.space, "every space");
  asked.block = choices("block", [...blocks].map(([block, samples]) => entry(block, block, samples)), asked.block, "every block");
  asked.draw = choices("draw", found.draws.filter(({ value }) => value).map(({ value, samples }) => entry(value, value, samples)), asked.draw, "in any way");
}

function label(hash, name) {
  const space = held.find((one) => one.hash === hash);
  return space ? spaceLabel(space, held) : (name ?? hash.slice(0, 12));
}

function keep(part) {
  Object.assign(asked, part);
  write(asked, USUAL);
}

async function changed(id) {
  const other = id === "target";
  keep(other ? { target: byId("target").value, space: "", block: "", draw: "", sample: "" } : { ...Object.fromEntries(FILTERS.map((name) => [name, byId(name).value])), sample: "" });
  byId("sample").hidden = true;
  if (other) await facets();
  await table.reload();
}

function choose(row) {
  keep({ sample: row.id });
  for (const each of table?.table.getRows("visible") ?? []) each.getElement().classList.toggle("chosen", each.getData().id === row.id);
  const card = byId("sample");
  const space = held.find(({ hash }) => hash === row.workload.space);
  const changedWidths = row.workload.widths && space ? space.widths.filter(({ name, max }) => name in row.workload.widths && row.workload.widths[name] !== max).map(({ name }) => `${name}:${row.workload.widths[name]}`) : [];
  const facts = [
    ["Sample", h("span", { class: "code" }, row.id)],
    ["Latency", [ms(row.latency_ms), row.count ? ` of ${count(row.count)} runs` : ""]],
    row.p10_ms != null && ["10th to 90th percentile", [ms(row.p10_ms), " to ", ms(row.p90_ms)]],
    ["Predicted", [ms(row.predicted_ms, "not predicted"), " ", row.error_pct === null ? "" : ["(", percent(row.error_pct, { sign: true }), ")"]]],
    ["Measured", row.measured_at ? exact(row.measured_at) : "nobody recorded when"],
    row.session && ["Session", h("span", { class: "code" }, row.session)],
    ["Conditions", row.disturbed ? h("span", { class: "warn" }, row.reasons.join("; ")) : "undisturbed"],
    ...Object.entries(row.conditions ?? {}).filter(([, value]) => value !== null && !(Array.isArray(value) && !value.length)).map(([name, value]) => [name.replaceAll("_", " "), Array.isArray(value) ? value.map((one) => one.toPrecision(4)).join(", ") : String(value)]),
    row.workload.widths && ["Widths", h("span", { class: "code small" }, Object.entries(row.workload.widths).map(([name, value]) => `${name} ${value}`).join(", "))],
  ].filter(Boolean);
  fill(
    card,
    h("h2", {}, what(row), " ", space ? h("span", { class: "soft" }, `of ${spaceLabel(space, held)}`) : null),
    h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    space && row.kind === "block" && row.predicted_ms !== null ? h("p", {}, h("a", { href: curve(row, space) }, "What its channels cost")) : null,
    space && row.kind === "network" && row.predicted_ms !== null ? h("p", {}, h("a", { href: address("/what-if", { target: asked.target, space: space.hash, batch: row.workload.batch, w: changedWidths }) }, "Try other widths from here")) : null,
  );
  card.hidden = false;
}

// Of the width that was varied, if it was one.
function curve({ workload }, space) {
  const names = Object.keys(workload.widths);
  const varied = space.widths.find(({ name, max }) => name in workload.widths && workload.widths[name] !== max)?.name ?? names[0];
  return address("/curves", { target: [asked.target], space: space.hash, block: workload.block, width: varied, batch: workload.batch });
}

function cannot(words) {
  byId("cannot").hidden = false;
  byId("cannot").textContent = words;
}
