// Devices: the devices and targets of the service, and whether they are healthy.
import { get } from "../lib/api.js";
import { fillSelect, loadTargets } from "../lib/choices.js";
import { byId, cell, fill, h, numberCell } from "../lib/dom.js";
import { fillFigures } from "../lib/figures.js";
import { fillFirstSteps } from "../lib/first-steps.js";
import { ago, count, percent, plural, unknown } from "../lib/format.js";
import { poll, start } from "../lib/page.js";
import { addCsvButton, pickFields } from "../lib/save.js";
import { STATES, stateSummary, TROUBLED } from "../lib/states.js";
import { readState, url, writeState } from "../lib/url.js";

const DEFAULTS = { search: "", state: "", runtime: "" };
const POLL_S = 5;

let devices = [];
let targets = [];
let floors = new Map();
const filter = readState(DEFAULTS);

start(async () => {
  for (const id of ["search", "state", "runtime"]) {
    byId(id).value = filter[id];
    byId(id).addEventListener("input", changeFilter);
  }
  addCsvButton("csv", "targets", csvTargets);
  await poll(async () => {
    const [list, loadedTargets, noise] = await Promise.all([
      get("/v1/devices"),
      loadTargets(),
      get("/v1/noise-floors"),
    ]);
    devices = list.items;
    floors = new Map(noise.items.map((floor) => [floor.target, floor]));
    targets = loadedTargets;
    show();
  }, POLL_S);
});

function changeFilter({ target: field }) {
  filter[field.id] = field.value;
  writeState(filter, DEFAULTS);
  show();
}

function show() {
  const isEmpty = targets.length === 0;
  byId("loading").hidden = true;
  byId("empty").hidden = !isEmpty;
  byId("content").hidden = isEmpty;
  if (isEmpty) {
    fillFirstSteps(byId("empty"));
    return;
  }
  const states = STATES.filter((state) => targets.some((target) => target.state === state));
  fillSelect("state", states, filter.state, "any state");
  const runtimes = [...new Set(targets.map(runtimeOf))].sort();
  fillSelect("runtime", runtimes, filter.runtime, "any runtime");
  showSummary();
  const matches = targets.filter(isMatch);
  const total = plural(targets.length, "target");
  const isFiltered = matches.length < targets.length;
  byId("shown").textContent = isFiltered ? `${count(matches.length)} of ${total}` : total;
  byId("no-match").hidden = matches.length > 0;
  fill(byId("rows"), devices.map((device) => deviceRows(device, matches)));
}

// Targets that match the filter, with their specs.
function csvTargets() {
  const columns = [
    "name",
    "device",
    "state",
    "state_reason",
    "last_seen_at",
    "samples",
    "epoch",
    "noise_floor_pct",
    "lpnet",
    "network_mape_pct",
  ];
  const specColumns = [
    "runtime",
    "runtime_version",
    "provider",
    "precision",
    "threads",
    "power_mode",
    "duty",
  ];
  const rows = targets.filter(isMatch).map((target) => [
    ...pickFields(columns, target),
    ...pickFields(specColumns, target.spec),
  ]);
  return [[...columns, ...specColumns], ...rows];
}

function isMatch(target) {
  const facts = devices.find(({ name }) => name === target.device)?.facts;
  const text = [
    target.name,
    target.device,
    target.state_reason,
    facts?.cpu,
    facts?.os,
    ...specTags(target.spec),
  ].join(" ").toLowerCase();
  const terms = filter.search.toLowerCase().split(/\s+/);
  return terms.every((term) => text.includes(term)) &&
    (!filter.state || target.state === filter.state) &&
    (!filter.runtime || runtimeOf(target) === filter.runtime);
}

function runtimeOf(target) {
  return target.spec.runtime || "unknown";
}

function showSummary() {
  const samples = targets.reduce((sum, target) => sum + target.samples, 0);
  const troubled = targets.filter(({ state }) => TROUBLED.includes(state)).length;
  const figures = [
    ["devices", "Devices", count(devices.length)],
    ["targets", "Targets", [count(targets.length), " ", h("small", {}, stateSummary(targets))]],
    ["all_samples", "Samples", count(samples)],
    [
      "trained_targets",
      "With an LPNet",
      count(targets.filter(({ lpnet }) => lpnet).length),
    ],
  ];
  if (troubled) {
    const value = h("span", { class: "bad" }, count(troubled));
    figures.push(["attention", "Need attention", value]);
  }
  fillFigures("summary", figures);
}

// A device and those of its targets that match the filter; nothing without any.
function deviceRows(device, matches) {
  const ownTargets = matches.filter((target) => target.device === device.name);
  return ownTargets.length ? [deviceRow(device), ...ownTargets.map(targetRow)] : [];
}

function deviceRow({ name, facts, source }) {
  const description = [
    facts.cpu,
    facts.cores && `${facts.cores} cores`,
    facts.memory_mib && `${(facts.memory_mib / 1024).toFixed(0)} GiB`,
    facts.os,
    facts.virtual && "virtual",
  ].filter(Boolean).join(" · ");
  const noDetails = source === "imported" ? "imported from a table" : "no details reported";
  const heading = [
    h("strong", {}, h("a", { href: url("/device", { device: name }) }, name)),
    " ",
    h("span", { class: "soft" }, description || noDetails),
  ];
  return h("tr", { class: "group" }, h("th", { colspan: 7, scope: "rowgroup" }, heading));
}

function specTags(spec) {
  return [
    spec.runtime && [spec.runtime, spec.runtime_version].filter(Boolean).join(" "),
    spec.provider,
    spec.precision,
    spec.threads && plural(spec.threads, "thread"),
    spec.power_mode,
    spec.duty,
  ].filter(Boolean);
}

// The interval of a noise floor, or how many of the workloads that it needs there are.
function noiseDetail(floor) {
  if (!floor) return null;
  const text = floor.pct === null
    ? `${floor.workloads} of ${plural(floor.needed, "workload")}`
    : `${floor.low_pct.toFixed(1)} to ${floor.high_pct.toFixed(1)} %`;
  return h("div", { class: "small soft", title: "95% interval of the noise floor" }, text);
}

function targetRow(target) {
  const tags = specTags(target.spec).map((tag) => h("span", { class: "tag" }, tag));
  const link = (path, text) => h("a", { href: url(path, { target: target.name }) }, text);
  const error = percent(target.network_mape_pct, { reason: "no network was held out" });
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, link("/table", target.name), h("div", { class: "tags" }, tags)),
    cell(
      "State",
      h("span", { class: `state ${target.state}` }, target.state),
      target.state_reason && h("div", { class: "small soft" }, target.state_reason),
    ),
    cell("Last seen", ago(target.last_seen_at, "imported targets have no agent")),
    numberCell(
      "Noise floor",
      percent(target.noise_floor_pct, { reason: target.noise_floor_reason }),
      noiseDetail(floors.get(target.name)),
    ),
    numberCell("Samples", count(target.samples)),
    numberCell("LPNet error", target.lpnet ? link("/report", error) : unknown("no LPNet yet")),
    cell(
      "Open",
      h(
        "span",
        { class: "tags" },
        link("/table", "table"),
        target.lpnet && [link("/curves", "curves"), link("/what-if", "what if")],
      ),
    ),
  );
}
