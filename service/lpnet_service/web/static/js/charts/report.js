// Charts of the report, each as {option, label, rows} of a chart's `draw`.
import { colour, logTicks, seriesColour, tooltip, xAxis, yAxis } from "../lib/chart.js";
import { count, dateTime, msText, percentText, significant } from "../lib/format.js";
import { csvRows } from "../lib/save.js";

const BASELINES = {
  flops_linear: "FLOPs, linear",
  ridge_widths: "ridge on widths",
  gradient_boosting: "gradient boosting",
  gaussian_process: "Gaussian process",
  width_mlp: "width MLP of the paper",
  lookup: "per-op lookup table",
};

const NO_INTERVAL = { asked_pct: 90, covered_pct: null, mean_width_pct: null };

/** Predicted against measured latency of held-out workloads of a kind. */
export function scatterChart(residuals, kind) {
  const items = residuals.filter((item) => item.predicted_ms !== null);
  const columns = [
    "kind",
    "space",
    "block",
    "draw",
    "measured_ms",
    "predicted_ms",
    "error_pct",
    "sample",
  ];
  return {
    option: () => (items.length ? scatterOption(items) : {}),
    label: `Predicted against measured latency of ${items.length} held-out ${kind}s`,
    rows: csvRows(columns, items),
  };
}

function scatterOption(items) {
  const latencies = items.flatMap((item) => [item.measured_ms, item.predicted_ms]);
  const min = 0.9 * Math.min(...latencies);
  const max = 1.1 * Math.max(...latencies);
  const axis = {
    type: "log",
    min,
    max,
    ticks: logTicks(min, max),
    format: (value) => value.toLocaleString("en", { maximumSignificantDigits: 3 }),
  };
  const text = ({ block, draw, measured_ms: measured, predicted_ms: predicted }) =>
    [
      [block ?? "network", draw].filter(Boolean).join(", "),
      `${msText(measured)} measured`,
      `${msText(predicted)} predicted`,
    ].join("\n");
  return {
    tooltip: tooltip(({ data }) => text(data.item)),
    xAxis: xAxis("measured, ms", axis),
    yAxis: yAxis("predicted, ms", axis),
    series: [
      diagonal(min, max),
      {
        type: "scatter",
        symbolSize: 7,
        itemStyle: { color: seriesColour(0), opacity: 0.75 },
        data: items.map((item) => ({ value: [item.measured_ms, item.predicted_ms], item })),
      },
    ],
  };
}

// The line on which both axes are equal.
function diagonal(min, max) {
  return {
    type: "line",
    silent: true,
    showSymbol: false,
    data: [[min, min], [max, max]],
    lineStyle: { color: colour("--line-strong"), width: 1 },
  };
}

/** The LPNet and the baselines on the same held-out workloads of a kind. */
export function baselineChart(report, kind) {
  const models = [
    ["LPNet", report.held_out[kind]],
    ...Object.entries(BASELINES).map(([name, label]) => [label, report.baselines[name][kind]]),
  ];
  const bars = models.filter(([, metrics]) => metrics).map(([name, metrics]) => ({
    name,
    error: metrics.mape_pct,
    n: metrics.n,
    isBaseline: name !== "LPNet",
  }));
  return barChart(bars, "Mean error on the same held-out workloads", report.noise_floor_pct);
}

/** Which baselines have no bar, and why, and which learned from a part of the samples. */
export function baselineNotes(report, kind) {
  const missing = Object.entries(BASELINES)
    .filter(([name]) => !report.baselines[name][kind])
    .map(([name, label]) => {
      const reason = report.reasons[`baselines.${name}.${kind}`] ?? "does not apply";
      return `${label}: ${reason}.`;
    });
  const limited = Object.entries(BASELINES)
    .filter(([name]) => report.baselines[name].trained_on?.[kind] < report.trained_on[kind])
    .map(([name, label]) => {
      const samples = count(report.baselines[name].trained_on[kind]);
      return `${label}: learned from ${samples} of ${count(report.trained_on[kind])} ${kind}s.`;
    });
  return [...missing, ...limited].join(" ");
}

/** Mean error by measured latency. */
export function latencyChart(bins) {
  const bars = bins.map((bin) => ({
    name: `${significant(bin.from_ms)}–${significant(bin.to_ms)} ms`,
    error: bin.mape_pct,
    n: bin.workloads,
  }));
  return barChart(bars, "Mean error of held-out workloads by measured latency");
}

/** Mean error of the workloads that contain an op. */
export function opChart(ops) {
  const bars = ops.map(({ op, mape_pct: error, workloads }) => ({ name: op, error, n: workloads }));
  return barChart(bars, "Mean error of held-out workloads that contain an op");
}

// A bar is {name, error, n, isBaseline}: the error of n workloads in percent.
function barChart(bars, label, noiseFloor = null) {
  const rows = bars.map(({ name, error, n }) => [name, error, n]);
  return {
    option: () => barOption(bars, noiseFloor),
    label,
    rows: [["name", "mape_pct", "n"], ...rows],
  };
}

function barOption(bars, noiseFloor) {
  const noiseLine = {
    silent: true,
    symbol: "none",
    data: [{ xAxis: noiseFloor }],
    lineStyle: { color: colour("--bad"), type: "dashed" },
    label: { formatter: "noise floor", color: colour("--ink-2"), position: "start" },
  };
  return {
    grid: { left: 150, right: 60, top: 22, bottom: 42 },
    tooltip: tooltip(({ dataIndex }) => {
      const { name, error, n } = bars[dataIndex];
      return `${name}\n${significant(error, 2)}% on ${n} workloads`;
    }),
    xAxis: xAxis("mean absolute error, %", { type: "value" }),
    yAxis: yAxis("", {
      type: "category",
      inverse: true,
      data: bars.map(({ name }) => name),
      axisTick: { show: false },
    }),
    series: [
      {
        type: "bar",
        barMaxWidth: 22,
        data: bars.map(({ error, isBaseline }) => ({
          value: error,
          itemStyle: { color: isBaseline ? colour("--line-strong") : seriesColour(0) },
        })),
        label: {
          show: true,
          position: "right",
          color: colour("--ink"),
          formatter: ({ value }) => `${significant(value, 2)}%`,
        },
        markLine: noiseFloor === null ? undefined : noiseLine,
      },
    ],
  };
}

/** How many workloads of a kind the intervals cover, against how many they are meant to cover. */
export function calibrationChart(report, kind) {
  const isNetwork = kind === "network";
  const interval = (isNetwork ? report.interval : report.interval_block) ?? NO_INTERVAL;
  const calibration = isNetwork ? report.calibration : report.calibration_block;
  const reason = report.reasons[isNetwork ? "interval.covered_pct" : "interval_block"];
  const { asked_pct: nominal, covered_pct: covered, mean_width_pct: width } = interval;
  const points = [...(calibration ?? []), interval]
    .filter((point) => point.covered_pct !== null)
    .map((point) => [point.asked_pct, point.covered_pct]);
  const axis = { type: "value", min: 0, max: 100 };
  return {
    option: () => ({
      tooltip: tooltip(({ value }) =>
        `meant to cover ${percentText(value[0])}\ncovers ${percentText(value[1])}`
      ),
      xAxis: xAxis("nominal coverage, %", axis),
      yAxis: yAxis("actual coverage, %", axis),
      series: [
        diagonal(0, 100),
        { type: "scatter", symbolSize: 11, itemStyle: { color: seriesColour(0) }, data: points },
      ],
    }),
    label: covered === null
      ? `Coverage unknown: ${reason ?? "the report is of an older version"}`
      : `Intervals meant to cover ${percentText(nominal)} of ${kind}s cover ` +
        `${percentText(covered)}; they are ${significant(width, 2)}% wide`,
    rows: [["asked_pct", "covered_pct"], ...points],
  };
}

/** Error on held-out workloads of a kind against the number of training samples. */
export function learningChart(studies, kind) {
  const points = studies
    .filter((study) => study.held_out[kind])
    .map((study) => [
      study.trained_on.block + study.trained_on.network,
      study.held_out[kind].mape_pct,
      study.kind,
    ])
    .sort((a, b) => a[0] - b[0]);
  return {
    option: () => ({
      tooltip: tooltip(({ value }) => `${count(value[0])} samples: ${significant(value[1], 2)}%`),
      xAxis: xAxis("training samples", { type: "value", min: 0 }),
      yAxis: yAxis("error, %", { type: "value", min: 0 }),
      series: [{
        type: "line",
        symbol: "circle",
        symbolSize: 9,
        lineStyle: { color: seriesColour(0) },
        itemStyle: { color: seriesColour(0) },
        data: points.map(([samples, error]) => [samples, error]),
      }],
    }),
    label: points.length > 1
      ? `Mean error on held-out ${kind}s against the number of training samples`
      : "To see the error with fewer samples, run: lpnet study TARGET --samples 100",
    rows: [["samples", "mape_pct", "from"], ...points],
  };
}

/** Error on held-out networks of each version of the LPNet. */
export function versionChart(lpnets) {
  const versions = lpnets
    .filter((lpnet) => lpnet.network_mape_pct !== null)
    .sort((a, b) => a.version - b.version);
  const columns = ["version", "epoch", "active", "network_mape_pct", "created_at"];
  return {
    option: () => versionOption(versions),
    label: "Error on held-out networks by version; the filled dot is the active version",
    rows: csvRows(columns, versions),
  };
}

function versionOption(versions) {
  const text = ({ version, epoch, active, network_mape_pct: error, created_at: created }) =>
    [
      `version ${version}, epoch ${epoch}${active ? ", active" : ""}`,
      `${significant(error, 2)}%`,
      dateTime(created),
    ].join("\n");
  const point = ({ network_mape_pct: value, active }) => {
    const color = active ? seriesColour(0) : colour("--surface");
    return { value, itemStyle: { color, borderColor: seriesColour(0), borderWidth: 2 } };
  };
  return {
    tooltip: tooltip(({ dataIndex }) => text(versions[dataIndex])),
    xAxis: xAxis("version", {
      type: "category",
      data: versions.map(({ version }) => String(version)),
    }),
    yAxis: yAxis("network error, %", { type: "value", min: 0 }),
    series: [{
      type: "line",
      symbol: "circle",
      showAllSymbol: true,
      symbolSize: 10,
      lineStyle: { color: seriesColour(0) },
      data: versions.map(point),
    }],
  };
}
