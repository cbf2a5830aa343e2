// Device: what it is, its targets, and what has changed over time.
import { epochStarts, noiseChart, sentinelChart, temperatureChart } from "../charts/device.js";
import { get } from "../lib/api.js";
import { createChart } from "../lib/chart.js";
import { fillSelect, loadTargets } from "../lib/choices.js";
import { byId, cell, fill, h, numberCell } from "../lib/dom.js";
import { ago, count, dateTime, percent, unknown } from "../lib/format.js";
import { messageOf, showInstead, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { readState, url, writeState } from "../lib/url.js";

const DEFAULTS = { device: "", target: "", days: "" };
const DAY_MS = 24 * 3600 * 1000;
const MAX_READINGS = 1000;
const MAX_SAMPLES = 500;

const state = readState(DEFAULTS);
const charts = {};
let devices = [];
let targets = [];

start(async () => {
  const [list, loadedTargets] = await Promise.all([get("/v1/devices"), loadTargets()]);
  devices = list.items;
  targets = loadedTargets;
  byId("loading").hidden = true;
  if (!devices.length) {
    showInstead("There is no device yet. The Devices page shows how to add one.");
    return;
  }
  byId("form").hidden = false;
  const names = devices.map(({ name }) => name);
  state.device = fillSelect("device", names, state.device, undefined, "device");
  byId("days").value = state.days;
  for (const id of ["sentinels", "temperature", "noise"]) {
    charts[id] = await createChart(id, `device-${id}`);
  }
  byId("form").addEventListener("change", ({ target: field }) => {
    state[field.id] = field.value;
    if (field.id === "device") state.target = "";
    show();
  });
  await show();
});

async function show() {
  const own = targets.filter(({ device }) => device === state.device);
  const names = own.map(({ name }) => name);
  state.target = fillSelect("target", names, state.target, undefined, "target on this device");
  writeState(state, DEFAULTS);
  showFacts(devices.find(({ name }) => name === state.device));
  fill(byId("rows"), own.map(targetRow));
  showResults();
  try {
    await showHistory();
  } catch (error) {
    showResults(messageOf(error));
  }
}

function showFacts({ name, facts, source, last_seen_at: seen, created_at: created }) {
  byId("name").textContent = name;
  const { gpu } = facts;
  const rows = [
    ["CPU", [facts.cpu, facts.architecture].filter(Boolean).join(", ")],
    ["Cores", facts.cores && count(facts.cores)],
    ["Memory", facts.memory_mib && `${(facts.memory_mib / 1024).toFixed(1)} GiB`],
    ["GPU", gpu?.name],
    ["Operating system", facts.os],
    ["Vector instructions", facts.flags.join(", ")],
    ["Virtual machine", facts.virtual === null ? null : facts.virtual ? "yes" : "no"],
    ["Source", source === "imported" ? "imported from a table" : "an agent"],
    ["Last seen", source === "imported" ? null : ago(seen, "it never had contact")],
    ["Stored since", dateTime(created)],
  ];
  fill(
    byId("facts"),
    rows.filter(([, value]) => value).map(([term, value]) => [
      h("dt", {}, term),
      h("dd", {}, value),
    ]),
  );
}

function targetRow(target) {
  const { name, state: condition, state_reason: reason, lpnet } = target;
  const link = (path, text) => h("a", { href: url(path, { target: name }) }, text);
  const error = percent(target.network_mape_pct, { reason: "no network was held out" });
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, link("/table", name)),
    cell(
      "State",
      h("span", { class: `state ${condition}` }, condition),
      reason && h("div", { class: "small soft" }, reason),
    ),
    cell("Since", ago(target.state_since, "not recorded")),
    numberCell("Epoch", count(target.epoch)),
    numberCell("Cleared", count(target.cleared)),
    numberCell(
      "Noise floor",
      percent(target.noise_floor_pct, { reason: target.noise_floor_reason }),
    ),
    numberCell("Samples", count(target.samples)),
    numberCell("LPNet error", lpnet ? link("/report", error) : unknown("no LPNet yet")),
  );
}

async function showHistory() {
  const requested = state.target;
  const path = `/v1/targets/${encodeURIComponent(requested)}`;
  const [sentinels, samples, lpnets] = await Promise.all([
    get(`${path}/sentinels`, { limit: MAX_READINGS }),
    get(`${path}/table`, { sort: "-measured_at", limit: MAX_SAMPLES }),
    get(`${path}/lpnets`),
  ]);
  if (requested !== state.target) return;
  const readings = sentinels.items.filter(({ measured_at: at }) => isInTime(at));
  charts.sentinels.draw(sentinelChart(readings, sentinels.limit_pct));
  const warm = samples.items.filter(({ measured_at: at, conditions }) =>
    at && isInTime(at) && typeof conditions?.temperature_c === "number"
  );
  charts.temperature.draw(temperatureChart(warm));
  charts.noise.draw(noiseChart(lpnets.items.filter(({ created_at: at }) => isInTime(at))));
  byId("epochs").textContent = epochText(readings);
}

function isInTime(time) {
  return !state.days || Date.now() - new Date(time) < Number(state.days) * DAY_MS;
}

function epochText(readings) {
  const starts = epochStarts(readings).map(({ epoch, at }) => `epoch ${epoch} ${dateTime(at)}`);
  const begun = starts.length ? `First readings of later epochs: ${starts.join(", ")}. ` : "";
  return `${begun}An epoch begins when the target changes or a person clears it. The service ` +
    "does not record who did.";
}
