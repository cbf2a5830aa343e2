// Pareto: the results of pruning jobs, accuracy against latency.
import { getItems } from "../lib/api.js";
import { colour, createChart, legend, seriesColour, tooltip, xAxis, yAxis } from "../lib/chart.js";
import { fillSelect, loadSpaces, spaceLabel } from "../lib/choices.js";
import { byId, cell, command, fill, h, numberCell } from "../lib/dom.js";
import { ago, compact, ms, msText, plural, significant } from "../lib/format.js";
import { start } from "../lib/page.js";
import { addCsvButton, csvRows } from "../lib/save.js";
import { readState, url, writeState } from "../lib/url.js";
import { accuracyText } from "../tables/jobs.js";

const DEFAULTS = { target: "", space: "" };
const PAGE = 200;
const MAX_RESULTS = 1000;
const CSV_COLUMNS = [
  "method",
  "model",
  "data",
  "seed",
  "chosen",
  "target",
  "space",
  "budget_ms",
  "dense_ms",
  "predicted_ms",
  "measured_ms",
  "accuracy_before",
  "accuracy_after",
  "macs_before",
  "macs_after",
  "created_at",
];

const state = readState(DEFAULTS);
let allResults = [];
let spaces = [];
let chart = null;

start(async () => {
  const [list, loadedSpaces] = await Promise.all([
    getItems("/v1/prunings", { limit: PAGE }, MAX_RESULTS),
    loadSpaces(),
  ]);
  allResults = list.items;
  spaces = loadedSpaces;
  byId("loading").hidden = true;
  byId("empty").hidden = allResults.length > 0;
  if (!allResults.length) {
    const prune = "lpnet prune --method wgates --model resnet20 --data digits";
    fill(byId("commands"), command(`${prune} --target TARGET --budget 60%`));
    return;
  }
  byId("form").hidden = false;
  byId("results").hidden = false;
  const names = [...new Set(allResults.map(({ target }) => target))].sort();
  state.target = fillSelect("target", names, state.target, undefined, "target with results");
  addCsvButton("csv", "prunings", () => csvRows(CSV_COLUMNS, currentResults()));
  chart = await createChart("front", "accuracy-latency");
  byId("form").addEventListener("change", ({ target: field }) => {
    state[field.id] = field.value;
    if (field.id === "target") state.space = "";
    show();
  });
  show();
});

// Results of the chosen target and space.
function currentResults() {
  return allResults.filter(({ target, space }) => target === state.target && space === state.space);
}

function show() {
  const onTarget = allResults.filter(({ target }) => target === state.target);
  const options = [...new Set(onTarget.map(({ space }) => space))].map((hash) => ({
    value: hash,
    label: spaceLabel(hash, spaces),
  }));
  state.space = fillSelect("space", options, state.space, undefined, "space with results");
  writeState(state, DEFAULTS);
  const results = currentResults();
  fill(byId("rows"), results.map(resultRow));
  showChart(results.filter((result) => result.accuracy_after !== null));
}

function showChart(results) {
  const methods = [...new Set(results.map(({ method }) => method))].sort();
  const metric = results[0]?.metric ?? "accuracy";
  const space = spaceLabel(state.space, spaces);
  const label = `${metric} against latency of ${space} on ${state.target}: ` +
    `${plural(results.length, "result")} of ${methods.join(", ")}`;
  chart.draw({
    option: () => chartOption(results, methods, metric),
    label,
    rows: csvRows(CSV_COLUMNS, results),
  });
}

// Measured where possible.
function latencyMs(result) {
  return result.measured_ms ?? result.predicted_ms;
}

function position(result) {
  return [latencyMs(result), 100 * result.accuracy_after];
}

// Results that no other result beats in both latency and accuracy.
function paretoFront(results) {
  const sorted = [...results].sort((a, b) =>
    latencyMs(a) - latencyMs(b) || b.accuracy_after - a.accuracy_after
  );
  let best = -Infinity;
  return sorted.filter((result) => {
    if (result.accuracy_after <= best) return false;
    best = result.accuracy_after;
    return true;
  });
}

function chartOption(results, methods, metric) {
  const front = {
    type: "line",
    step: "end",
    silent: true,
    showSymbol: false,
    lineStyle: { color: colour("--line-strong"), type: "dashed", width: 1.5 },
    data: paretoFront(results).map(position),
  };
  const methodSeries = methods.map((method, index) => ({
    name: method,
    type: "scatter",
    symbolSize: 12,
    itemStyle: { color: seriesColour(index) },
    data: results
      .filter((result) => result.method === method)
      .map((result) => resultPoint(result, seriesColour(index))),
  }));
  return {
    legend: legend({ data: methods }),
    tooltip: tooltip(({ data }) => (data.result ? tooltipText(data.result) : "dense")),
    xAxis: xAxis("milliseconds", { type: "value", min: 0 }),
    yAxis: yAxis(`${metric}, %`, {
      type: "value",
      min: ({ min, max }) => Math.max(0, Math.floor(min - margin(min, max))),
      max: ({ min, max }) => Math.min(100, Math.ceil(max + margin(min, max))),
    }),
    series: [front, ...methodSeries, ...denseSeries(results)],
  };
}

// A hollow dot was predicted only.
function resultPoint(result, color) {
  const hollow = { color: colour("--surface"), borderColor: color, borderWidth: 2 };
  const point = { value: position(result), result };
  return result.measured_ms === null ? { ...point, itemStyle: hollow } : point;
}

function denseSeries(results) {
  const result = results.find(({ dense_ms: latency, accuracy_before: accuracy }) =>
    latency !== null && accuracy !== null
  );
  if (!result) return [];
  const color = colour("--ink-2");
  return [{
    name: "dense",
    type: "scatter",
    symbol: "triangle",
    symbolSize: 12,
    itemStyle: { color },
    data: [[result.dense_ms, 100 * result.accuracy_before]],
    label: { show: true, position: "top", formatter: "dense", color },
  }];
}

// At least half a point, so that a difference of a tenth does not look like a cliff.
function margin(min, max) {
  return Math.max(0.5, 0.2 * (max - min));
}

function tooltipText(result) {
  const { accuracy_after: after, accuracy_before: before } = result;
  const predicted = `${msText(result.predicted_ms)} predicted`;
  return [
    result.method,
    `${significant(100 * after)}% (${significant(100 * before)}% before)`,
    result.measured_ms === null
      ? `${predicted}, not measured`
      : `${msText(result.measured_ms)} measured, ${predicted}`,
    `${msText(result.budget_ms)} budget`,
  ].join("\n");
}

function resultRow(result) {
  const { id, job, target, space, batch, method, model, data, seed, round, chosen } = result;
  const w = Object.entries(result.widths).map(([name, channels]) => `${name}:${channels}`);
  const whatIf = url("/what-if", { target, space, batch, w, pruning: id });
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: whatIf }, `${method}, ${model}`),
      h(
        "div",
        { class: "small soft" },
        `${data}, seed ${seed}, candidate ${round}${chosen ? ", chosen" : ""} · `,
        h("a", { href: url("/job", { job }) }, "about the job"),
      ),
    ),
    numberCell("Accuracy", accuracyText(result.accuracy_after)),
    numberCell("Before", accuracyText(result.accuracy_before)),
    numberCell("Measured", ms(result.measured_ms, "not measured")),
    numberCell("Predicted", ms(result.predicted_ms)),
    numberCell("Budget", ms(result.budget_ms)),
    numberCell("MACs", compact(result.macs_after)),
    cell("Reported", ago(result.created_at)),
  );
}
