// The report of an LPNet: how good is it, on what is it not, and would a simpler model have done?
import { read, write } from "../lib/address.js";
import { ApiError, address, get } from "../lib/api.js";
import { axis, chart, colour, legend, series, tooltip } from "../lib/chart.js";
import { byId, fill, h } from "../lib/dom.js";
import { count, digits, exact, ms, msText, percent } from "../lib/format.js";
import { start } from "../lib/page.js";
import { choices, targets } from "../lib/pick.js";
import { savesCsv } from "../lib/save.js";

const USUAL = { target: "", version: "", kind: "network" };
const CHARTS = ["scatter", "baselines", "by-latency", "by-op", "calibration", "learning", "versions"];
const BASELINES = { flops_linear: "FLOPs, linear", ridge_widths: "ridge on widths", gradient_boosting: "gradient boosting", gaussian_process: "Gaussian process", width_mlp: "the paper's width MLP", lookup: "per-op lookup table" };
const DRAWN = { network: "all", network_random: "at random", network_aligned: "aligned to 8", network_pruned: "chosen by a pruner" };
const WORST = 15;

const asked = read(USUAL);
const charts = {};
let shown = null; // {report, residuals}

start(async () => {
  const all = await targets({ trained: true });
  byId("wait").hidden = true;
  if (!all.length) {
    cannot("No target has an LPNet yet: lpnet profile TARGET SPACE measures and trains one.");
    return;
  }
  byId("form").hidden = false;
  asked.target = choices("target", all.map(({ name }) => ({ value: name, label: name })), asked.target);
  byId("kind").value = asked.kind;
  for (const id of CHARTS) charts[id] = await chart(id, `lpnet-${id}`);
  savesCsv("drawn-csv", "lpnet-held-out", () => {
    const names = ["n", "mape_pct", "within_5_pct", "within_10_pct", "spearman"];
    return [["held_out", ...names], ...Object.keys(DRAWN).map((held) => [held, ...names.map((name) => shown.report.held_out[held]?.[name])])];
  });
  savesCsv("worst-csv", "lpnet-worst", () => {
    const names = ["sample", "kind", "space_name", "block", "draw", "measured_ms", "predicted_ms", "error_pct"];
    return [names, ...badly(shown.residuals).map((one) => names.map((name) => one[name]))];
  });
  byId("form").addEventListener("change", (event) => {
    const { id, value } = event.target;
    asked[id] = value;
    if (id === "target") asked.version = "";
    show();
  });
  await show();
});

async function show() {
  write(asked, USUAL);
  try {
    const path = `/v1/targets/${encodeURIComponent(asked.target)}`;
    const [{ items: versions }, { points: studies }] = await Promise.all([get(`${path}/lpnets`), get(`${path}/studies`)]);
    const label = (one) => `${one.version}, ${exact(one.created_at)}${one.active ? ", active" : ""}`;
    const id = choices("version", versions.map((one) => ({ value: one.id, label: label(one) })), asked.version || versions.find((one) => one.active)?.id);
    const [report, residuals] = await Promise.all([get(`/v1/lpnets/${id}/report`), get(`/v1/lpnets/${id}/residuals`)]);
    byId("found").hidden = false;
    byId("cannot").hidden = true;
    shown = { report, residuals };
    figures(report);
    scatter(residuals);
    baselines(report);
    bars("by-latency", residuals.by_latency.filter(mine).map((one) => [`${digits(one.from_ms, 2)}–${digits(one.to_ms, 2)} ms`, one.mape_pct, one.workloads]), "Mean error of held-out workloads by measured latency");
    bars("by-op", residuals.by_op.filter(mine).map((one) => [one.op, one.mape_pct, one.workloads]), "Mean error of held-out workloads that hold an op");
    calibration(report);
    learning(studies);
    history(versions);
    drawn(report);
    worst(residuals);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    cannot(error.message);
  }
}

// Of the kind that is looked at.
function mine(one) {
  return one.kind === asked.kind;
}

function figures(report) {
  const held = report.held_out[asked.kind];
  const why = report.reasons[`held_out.${asked.kind}`] ?? "none was held out";
  const list = [
    ["Mean error", percent(held?.mape_pct, { reason: why })],
    ["Within 5%", percent(held?.within_5_pct, { reason: why })],
    ["Within 10%", percent(held?.within_10_pct, { reason: why })],
    ["Rank correlation", held?.spearman == null ? "–" : held.spearman.toFixed(3)],
    ["Noise floor", percent(report.noise_floor_pct, { reason: report.reasons.noise_floor_pct })],
    ["Held out", count(held?.n ?? 0)],
    ["Trained on", [count(report.trained_on.block + report.trained_on.network), " ", h("small", {}, `${count(report.trained_on.block)} blocks, ${count(report.trained_on.network)} networks`)]],
  ];
  fill(byId("figures"), list.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const flops = report.baselines.flops_linear[asked.kind];
  byId("verdict").textContent = flops && held ? verdict(held.mape_pct, flops.mape_pct, report.noise_floor_pct) : "";
}

// What a reader has to know first: was all this needed?
function verdict(lpnet, flops, noise) {
  const floor = noise ?? 0;
  if (flops <= lpnet * 1.1) return `Counting FLOPs errs by ${digits(flops, 2)}%: here it would have done.`;
  return `Counting FLOPs errs by ${digits(flops, 2)}%, ${digits(flops / Math.max(lpnet, floor), 2)} times as much.`;
}

function scatter(residuals) {
  const items = residuals.items.filter((one) => mine(one) && one.predicted_ms !== null);
  const label = `Predicted against measured latency of ${items.length} held-out ${asked.kind}s`;
  const option = () => {
    const both = items.flatMap((one) => [one.measured_ms, one.predicted_ms]);
    const [low, high] = [Math.min(...both) * 0.9, Math.max(...both) * 1.1];
    return {
      tooltip: tooltip(({ data }) => `${data.one.block ?? "network"}${data.one.draw ? `, ${data.one.draw}` : ""}\n${msText(data.one.measured_ms)} measured\n${msText(data.one.predicted_ms)} predicted`, { trigger: "item" }),
      xAxis: axis("measured, ms", { type: "log", min: low, max: high, axisLabel: { color: colour("--ink-2"), formatter: (value) => digits(value, 2) } }),
      yAxis: axis("predicted, ms", { type: "log", vertical: true, min: low, max: high, axisLabel: { color: colour("--ink-2"), formatter: (value) => digits(value, 2) } }),
      series: [
        { type: "line", silent: true, showSymbol: false, data: [[low, low], [high, high]], lineStyle: { color: colour("--line-strong"), width: 1 } },
        { type: "scatter", symbolSize: 7, itemStyle: { color: series(0), opacity: 0.75 }, data: items.map((one) => ({ value: [one.measured_ms, one.predicted_ms], one })) },
      ],
    };
  };
  charts.scatter.draw(items.length ? option : () => ({}), label, [["kind", "space", "block", "draw", "measured_ms", "predicted_ms", "error_pct", "sample"], ...items.map((one) => [one.kind, one.space, one.block, one.draw, one.measured_ms, one.predicted_ms, one.error_pct, one.sample])]);
}

function baselines(report) {
  const rows = [["LPNet", report.held_out[asked.kind]], ...Object.entries(BASELINES).map(([name, words]) => [words, report.baselines[name][asked.kind]])].filter(([, metrics]) => metrics);
  const missing = Object.keys(BASELINES).filter((name) => !report.baselines[name][asked.kind]);
  byId("missing").textContent = missing.map((name) => `${BASELINES[name]}: ${report.reasons[`baselines.${name}.${asked.kind}`] ?? "does not apply"}.`).join(" ");
  bars("baselines", rows.map(([name, metrics]) => [name, metrics.mape_pct, metrics.n]), "Mean error on the same held-out workloads", report.noise_floor_pct);
}

function bars(id, rows, label, floor = null) {
  const option = () => ({
    grid: { left: 150, right: 60, top: 22, bottom: 42 },
    tooltip: tooltip(({ dataIndex }) => `${rows[dataIndex][0]}\n${digits(rows[dataIndex][1], 2)}% of ${rows[dataIndex][2]} workloads`, { trigger: "item" }),
    xAxis: axis("mean absolute error, %", { type: "value" }),
    yAxis: axis("", { type: "category", inverse: true, data: rows.map(([name]) => name), axisTick: { show: false } }),
    series: [
      {
        type: "bar",
        barMaxWidth: 22,
        data: rows.map(([name, value]) => ({ value, itemStyle: { color: name === "LPNet" || id !== "baselines" ? series(0) : colour("--line-strong") } })),
        label: { show: true, position: "right", color: colour("--ink"), formatter: ({ value }) => `${digits(value, 2)}%` },
        markLine: floor === null ? undefined : { silent: true, symbol: "none", data: [{ xAxis: floor }], lineStyle: { color: colour("--bad"), type: "dashed" }, label: { formatter: "noise floor", color: colour("--ink-2"), position: "start" } },
      },
    ],
  });
  charts[id].draw(option, label, [["name", "mape_pct", "n"], ...rows]);
}

function calibration(report) {
  const { asked_pct: wanted, covered_pct: covered, mean_width_pct: width } = report.interval;
  const points = [...(report.calibration ?? []), report.interval].filter((one) => one.covered_pct !== null).map((one) => [one.asked_pct, one.covered_pct]);
  const label = covered === null ? `Coverage unknown: ${report.reasons["interval.covered_pct"] ?? "too few held-out networks"}` : `Of intervals that should hold ${digits(wanted)}% of networks, ${digits(covered)}% do; they are ${digits(width, 2)}% wide`;
  const option = () => ({
    tooltip: tooltip(({ value }) => `asked ${digits(value[0])}%, covered ${digits(value[1])}%`, { trigger: "item" }),
    xAxis: axis("asked coverage, %", { type: "value", min: 0, max: 100 }),
    yAxis: axis("covered, %", { type: "value", vertical: true, min: 0, max: 100 }),
    series: [
      { type: "line", silent: true, showSymbol: false, data: [[0, 0], [100, 100]], lineStyle: { color: colour("--line-strong"), width: 1 } },
      { type: "scatter", symbolSize: 11, itemStyle: { color: series(0) }, data: points },
    ],
  });
  charts.calibration.draw(option, label, [["asked_pct", "covered_pct"], ...points]);
}

function learning(studies) {
  const points = studies.filter((one) => one.held_out[asked.kind]).map((one) => [one.trained_on.block + one.trained_on.network, one.held_out[asked.kind].mape_pct, one.kind]).sort((a, b) => a[0] - b[0]);
  const label = points.length > 1 ? `Mean error on held-out ${asked.kind}s against samples trained on` : "A study tells how good fewer samples would be: lpnet study TARGET --samples 100";
  const option = () => ({
    tooltip: tooltip(({ value }) => `${count(value[0])} samples: ${digits(value[1], 2)}%`, { trigger: "item" }),
    xAxis: axis("samples trained on", { type: "value", min: 0 }),
    yAxis: axis("error, %", { type: "value", vertical: true, min: 0 }),
    series: [{ type: "line", symbolSize: 9, lineStyle: { color: series(0) }, itemStyle: { color: series(0) }, data: points.map(([n, error]) => [n, error]) }],
  });
  charts.learning.draw(option, label, [["samples", "mape_pct", "from"], ...points]);
}

function history(versions) {
  const shown = versions.filter((one) => one.network_mape_pct !== null).sort((a, b) => a.version - b.version);
  const option = () => ({
    legend: legend({ show: false }),
    tooltip: tooltip(({ dataIndex }) => `version ${shown[dataIndex].version}, epoch ${shown[dataIndex].epoch}${shown[dataIndex].active ? ", active" : ""}\n${digits(shown[dataIndex].network_mape_pct, 2)}%\n${exact(shown[dataIndex].created_at)}`, { trigger: "item" }),
    xAxis: axis("version", { type: "category", data: shown.map((one) => String(one.version)) }),
    yAxis: axis("network error, %", { type: "value", vertical: true, min: 0 }),
    series: [{ type: "line", symbolSize: 10, lineStyle: { color: series(0) }, data: shown.map((one) => ({ value: one.network_mape_pct, itemStyle: { color: one.active ? series(0) : colour("--surface"), borderColor: series(0), borderWidth: 2 } })) }],
  });
  charts.versions.draw(option, "Error on held-out networks by version; the full dot is the active one", [["version", "epoch", "active", "network_mape_pct", "created_at"], ...shown.map((one) => [one.version, one.epoch, one.active, one.network_mape_pct, one.created_at])]);
}

function drawn(report) {
  fill(
    byId("drawn"),
    Object.entries(DRAWN).map(([name, words]) => {
      const metrics = report.held_out[name];
      const reason = report.reasons[`held_out.${name}`] ?? "none was held out";
      return h("tr", {}, h("td", {}, words), h("td", { class: "num" }, count(metrics?.n ?? 0)), h("td", { class: "num" }, percent(metrics?.mape_pct, { reason })), h("td", { class: "num" }, percent(metrics?.within_5_pct, { reason })), h("td", { class: "num" }, metrics?.spearman == null ? "–" : metrics.spearman.toFixed(3)));
    }),
  );
}

function badly(residuals) {
  return residuals.items.filter((one) => mine(one) && one.error_pct !== null).sort((a, b) => Math.abs(b.error_pct) - Math.abs(a.error_pct)).slice(0, WORST);
}

function worst(residuals) {
  fill(
    byId("worst"),
    badly(residuals).map((one) =>
      h(
        "tr",
        {},
        h("td", { class: "lead-cell" }, h("a", { href: address("/table", { target: asked.target, kind: one.kind, space: one.space, block: one.block, search: one.sample, sample: one.sample }) }, one.block ?? "whole network"), one.space_name ? h("span", { class: "soft" }, ` of ${one.space_name}`) : null),
        h("td", { class: "num", "data-label": "Measured" }, h("span", {}, ms(one.measured_ms))),
        h("td", { class: "num", "data-label": "Predicted" }, h("span", {}, ms(one.predicted_ms))),
        h("td", { class: "num", "data-label": "Error" }, h("span", {}, percent(one.error_pct, { sign: true }))),
        h("td", { "data-label": "Drawn" }, one.draw ?? ""),
      ),
    ),
  );
}

function cannot(words) {
  byId("found").hidden = true;
  byId("cannot").hidden = false;
  byId("cannot").textContent = words;
}
