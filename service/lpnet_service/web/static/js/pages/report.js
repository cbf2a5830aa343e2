// Report: how accurate an LPNet is, where it is not, and how simpler models compare.
import {
  baselineChart,
  baselineNotes,
  calibrationChart,
  latencyChart,
  learningChart,
  opChart,
  scatterChart,
  versionChart,
} from "../charts/report.js";
import { get } from "../lib/api.js";
import { createChart } from "../lib/chart.js";
import { fillSelect, loadTargets, NO_LPNET } from "../lib/choices.js";
import { byId, fill, h } from "../lib/dom.js";
import { fillFigures } from "../lib/figures.js";
import {
  count,
  dateTime,
  fixed,
  percent,
  percentText,
  significant,
  unknown,
} from "../lib/format.js";
import { messageOf, showInstead, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { addCsvButton } from "../lib/save.js";
import { readState, writeState } from "../lib/url.js";
import { csvDraws, csvWorst, drawRows, worstResiduals, worstRow } from "../tables/report.js";

const DEFAULTS = { target: "", version: "", kind: "network" };
const CHARTS = [
  "scatter",
  "baselines",
  "by-latency",
  "by-op",
  "calibration",
  "learning",
  "versions",
];
const OLDER = "the report is of an older version";
// Which workloads the pairs are of, by how many of the two were held out.
const SIDES = [
  "The LPNet was trained on many of them, since too few were held out.",
  "One workload of each pair, or both, was held out.",
  "Both workloads of each pair were held out.",
];

const state = readState(DEFAULTS);
const charts = {};
let report = null;
let residuals = null;

start(async () => {
  const targets = await loadTargets({ trained: true });
  byId("loading").hidden = true;
  if (!targets.length) {
    showInstead(NO_LPNET);
    return;
  }
  byId("form").hidden = false;
  state.target = fillSelect(
    "target",
    targets.map(({ name }) => name),
    state.target,
    undefined,
    "target with an LPNet",
  );
  byId("kind").value = state.kind;
  for (const id of CHARTS) charts[id] = await createChart(id, `lpnet-${id}`);
  addCsvButton("draws-csv", "lpnet-held-out", () => csvDraws(report));
  addCsvButton("worst-csv", "lpnet-worst", () => csvWorst(worst()));
  byId("form").addEventListener("change", ({ target: field }) => {
    state[field.id] = field.value;
    if (field.id === "target") state.version = "";
    load();
  });
  await load();
});

async function load() {
  writeState(state, DEFAULTS);
  const path = `/v1/targets/${encodeURIComponent(state.target)}`;
  try {
    const [lpnets, studies] = await Promise.all([get(`${path}/lpnets`), get(`${path}/studies`)]);
    const id = selectVersion(lpnets.items);
    [report, residuals] = await Promise.all([
      get(`/v1/lpnets/${id}/report`),
      get(`/v1/lpnets/${id}/residuals`),
    ]);
    showResults(report.warnings.map(({ message }) => `${message}.`).join(" "));
    showFigures();
    showCuts();
    showCharts(lpnets.items, studies.points);
    showTables();
  } catch (error) {
    showInstead(messageOf(error));
  }
}

// The id of the LPNet to show: the one in the URL, or the active one.
function selectVersion(lpnets) {
  const options = lpnets.map(({ id, version, created_at: created, active }) => ({
    value: id,
    label: `${version}, ${dateTime(created)}${active ? ", active" : ""}`,
  }));
  const activeId = lpnets.find(({ active }) => active)?.id;
  return fillSelect("version", options, state.version || activeId, undefined, "version");
}

function reasonOf(metric, fallback) {
  return report.reasons[metric] ?? fallback;
}

function showFigures() {
  const metrics = report.held_out[state.kind];
  const reason = reasonOf(`held_out.${state.kind}`, "no workload was held out");
  const { block, network } = report.trained_on;
  fillFigures("figures", [
    ["mean_error", "Mean error", percent(metrics?.mape_pct, { reason })],
    ["within", "Within 5%", percent(metrics?.within_5_pct, { reason })],
    ["within", "Within 10%", percent(metrics?.within_10_pct, { reason })],
    [
      "rank_correlation",
      "Rank correlation",
      fixed(metrics?.spearman, 3, metrics ? undefined : reason),
    ],
    [
      "noise_floor",
      "Noise floor",
      [
        percent(report.noise_floor_pct, { reason: reasonOf("noise_floor_pct") }),
        report.noise_floor_high_pct !== null && h("small", {}, ` 95%: ${noiseRange()}`),
      ],
    ],
    ["held_out", "Held out", heldOut(metrics)],
    [
      "trained_on",
      "Trained on",
      [
        count(block + network),
        h("small", {}, ` ${count(block)} blocks, ${count(network)} networks`),
      ],
    ],
    ["model", "Model", modelKind()],
  ]);
  const flops = report.baselines.flops_linear[state.kind];
  byId("verdict").textContent = flops && metrics ? verdict(metrics.mape_pct, flops.mape_pct) : "";
}

// The report counts samples, and the charts show workloads, which may have several.
function heldOut(metrics) {
  const workloads =
    residuals.items.filter(({ kind, predicted_ms: predicted }) =>
      kind === state.kind && predicted !== null
    ).length;
  return [
    count(metrics?.n ?? 0),
    h("small", {}, ` samples; ${count(workloads)} ${state.kind}s in the charts`),
  ];
}

// The kind of latency model, and the cross-validated errors that it was chosen by.
function modelKind() {
  const { kind, candidates } = report;
  if (!kind) return unknown(OLDER);
  const errors = (candidates ?? []).map(({ kind: name, mean_pct: error }) =>
    `${readable(name)} ${percentText(error)}`
  );
  return [
    readable(kind),
    errors.length > 0 && h("small", {}, ` cross-validated: ${errors.join(", ")}`),
  ];
}

function readable(name) {
  return name.replaceAll("_", " ");
}

function noiseRange() {
  const { noise_floor_low_pct: low, noise_floor_high_pct: high } = report;
  return `${significant(low, 2)} to ${significant(high, 2)}%`;
}

// How well the effect of removing a few channels is predicted.
function showCuts() {
  const { cuts, granule_change: change, regret_pct: regret } = report;
  const reason = reasonOf("granule_change", OLDER);
  fillFigures("cuts", [
    ["pairs", "Pairs", count(cuts?.n, reasonOf("cuts", OLDER))],
    ["beyond_noise", "Beyond the noise", count(change?.n, reason)],
    ["change_rank", "Rank correlation", fixed(change?.spearman, 3, reason)],
    ["change_error", "Median error", percent(change?.median_rel_error_pct, { reason })],
    ["regret", "Regret of ten cuts", percent(regret, { reason: reasonOf("regret_pct", OLDER) })],
  ]);
  byId("cuts-sides").textContent = cuts ? SIDES[cuts.held_out] : `Unknown: ${reason}.`;
}

// The first question of a reader: is a model needed at all?
function verdict(error, flopsError) {
  const flops = `Predicting from FLOPs alone has a mean error of ${significant(flopsError, 2)}%`;
  if (flopsError <= 1.1 * error) return `${flops}, which would do as well here.`;
  // An error below the noise floor cannot be told from noise.
  const floor = report.noise_floor_pct ?? 0;
  const [base, name] = floor > error ? [floor, "the noise floor"] : [error, "that of the LPNet"];
  return `${flops}, ${significant(flopsError / base, 2)} times ${name}.`;
}

function showCharts(lpnets, studies) {
  const { kind } = state;
  const ofKind = (items) => items.filter((item) => item.kind === kind);
  charts.scatter.draw(scatterChart(ofKind(residuals.items), kind));
  charts.baselines.draw(baselineChart(report, kind));
  charts["by-latency"].draw(latencyChart(ofKind(residuals.by_latency)));
  charts["by-op"].draw(opChart(ofKind(residuals.by_op)));
  charts.calibration.draw(calibrationChart(report, kind));
  charts.learning.draw(learningChart(studies, kind));
  charts.versions.draw(versionChart(lpnets));
  byId("missing").textContent = baselineNotes(report, kind);
}

function showTables() {
  fill(byId("draws"), drawRows(report, reasonOf));
  fill(byId("worst"), worst().map((item) => worstRow(item, state.target)));
}

function worst() {
  return worstResiduals(residuals.items, state.kind);
}
