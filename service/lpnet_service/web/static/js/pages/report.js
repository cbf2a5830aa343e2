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
import { byId, cell, fill, fillFigures, h, numberCell } from "../lib/dom.js";
import { count, dateTime, fixed, ms, percent, significant } from "../lib/format.js";
import { messageOf, showInstead, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { addCsvButton, csvRows, pickFields } from "../lib/save.js";
import { readState, url, writeState } from "../lib/url.js";

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
// Held-out networks by how they were drawn.
const DRAWS = {
  network: "all",
  network_random: "at random",
  network_aligned: "aligned to 8",
  network_pruned: "chosen by a pruner",
};
const MAX_WORST = 15;
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
  state.target = fillSelect("target", targets.map(({ name }) => name), state.target);
  byId("kind").value = state.kind;
  for (const id of CHARTS) charts[id] = await createChart(id, `lpnet-${id}`);
  addCsvButton("draws-csv", "lpnet-held-out", csvDraws);
  addCsvButton("worst-csv", "lpnet-worst", csvWorst);
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
    showDraws();
    showWorst();
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
  return fillSelect("version", options, state.version || activeId);
}

function reasonOf(metric, fallback) {
  return report.reasons[metric] ?? fallback;
}

function showFigures() {
  const metrics = report.held_out[state.kind];
  const reason = reasonOf(`held_out.${state.kind}`, "no workload was held out");
  const { block, network } = report.trained_on;
  fillFigures("figures", [
    ["Mean error", percent(metrics?.mape_pct, { reason })],
    ["Within 5%", percent(metrics?.within_5_pct, { reason })],
    ["Within 10%", percent(metrics?.within_10_pct, { reason })],
    ["Rank correlation", fixed(metrics?.spearman, 3, metrics ? undefined : reason)],
    [
      "Noise floor",
      [
        percent(report.noise_floor_pct, { reason: reasonOf("noise_floor_pct") }),
        report.noise_floor_high_pct !== null && h("small", {}, ` 95%: ${noiseRange()}`),
      ],
    ],
    ["Held out", count(metrics?.n ?? 0)],
    [
      "Trained on",
      [
        count(block + network),
        h("small", {}, ` ${count(block)} blocks, ${count(network)} networks`),
      ],
    ],
  ]);
  const flops = report.baselines.flops_linear[state.kind];
  byId("verdict").textContent = flops && metrics ? verdict(metrics.mape_pct, flops.mape_pct) : "";
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
    ["Pairs", count(cuts?.n, reasonOf("cuts", OLDER))],
    ["Beyond the noise", count(change?.n, reason)],
    ["Rank correlation", fixed(change?.spearman, 3, reason)],
    ["Median error", percent(change?.median_rel_error_pct, { reason })],
    ["Regret of ten cuts", percent(regret, { reason: reasonOf("regret_pct", OLDER) })],
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

function showDraws() {
  const rows = Object.entries(DRAWS).map(([draw, name]) => {
    const metrics = report.held_out[draw];
    const reason = reasonOf(`held_out.${draw}`, "no network was held out");
    const figures = [
      count(metrics?.n ?? 0),
      percent(metrics?.mape_pct, { reason }),
      percent(metrics?.within_5_pct, { reason }),
      fixed(metrics?.spearman, 3, metrics ? undefined : reason),
    ];
    const cells = figures.map((figure) => h("td", { class: "num" }, figure));
    return h("tr", {}, h("td", {}, name), cells);
  });
  fill(byId("draws"), rows);
}

function csvDraws() {
  const columns = ["n", "mape_pct", "within_5_pct", "within_10_pct", "spearman"];
  const rows = Object.keys(DRAWS).map((draw) => [
    draw,
    ...pickFields(columns, report.held_out[draw] ?? {}),
  ]);
  return [["held_out", ...columns], ...rows];
}

function worstResiduals() {
  return residuals.items
    .filter(({ kind, error_pct: error }) => kind === state.kind && error !== null)
    .sort((a, b) => Math.abs(b.error_pct) - Math.abs(a.error_pct))
    .slice(0, MAX_WORST);
}

function showWorst() {
  fill(byId("worst"), worstResiduals().map(worstRow));
}

function worstRow(item) {
  const { kind, space, space_name: spaceName, block, sample } = item;
  const table = url("/table", { target: state.target, kind, space, block, search: sample, sample });
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: table }, block ?? "whole network"),
      spaceName && [
        h("span", { class: "soft" }, " of "),
        h("a", { href: url("/space", { space }) }, spaceName),
      ],
    ),
    numberCell("Measured", ms(item.measured_ms)),
    numberCell("Predicted", ms(item.predicted_ms)),
    numberCell("Error", percent(item.error_pct, { sign: true })),
    cell("Drawn", item.draw),
  );
}

function csvWorst() {
  const columns = [
    "sample",
    "kind",
    "space_name",
    "block",
    "draw",
    "measured_ms",
    "predicted_ms",
    "error_pct",
  ];
  return csvRows(columns, worstResiduals());
}
