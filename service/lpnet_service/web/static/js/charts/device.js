// Charts of a target over time, each as {option, label, rows} of a chart's `draw`.
import { colour, legend, seriesColour, tooltip, xAxis, yAxis } from "../lib/chart.js";
import { dateTime, plural, significant } from "../lib/format.js";
import { csvRows } from "../lib/save.js";

/** Drift of the sentinels from the level of their epoch. `limits`: drift limit by sentinel. */
export function sentinelChart(readings, limits) {
  const columns = ["measured_at", "sentinel", "epoch", "latency_ms", "drift_pct", "disturbed"];
  return {
    option: () => sentinelOption(readings, limits),
    label: readings.length
      ? `Drift of ${plural(readings.length, "reading")} from the level of their epoch; ` +
        "hollow dots are disturbed, and upright lines begin an epoch"
      : "No sentinel was read in this time",
    rows: csvRows(columns, readings),
  };
}

function sentinelOption(readings, limits) {
  if (!readings.length) return {};
  const names = [...new Set(readings.map(({ sentinel }) => sentinel))].sort();
  const limit = Math.max(...Object.values(limits), 0);
  return {
    legend: legend({ data: names }),
    tooltip: tooltip(({ data }) => readingText(data.reading)),
    xAxis: timeAxis(),
    yAxis: yAxis("drift, %", { type: "value", scale: true }),
    series: names.map((name, index) => ({
      name,
      type: "scatter",
      symbolSize: 7,
      itemStyle: { color: seriesColour(index) },
      data: readings
        .filter(({ sentinel }) => sentinel === name)
        .map((reading) => readingPoint(reading, seriesColour(index))),
      markLine: index === 0 ? marks(readings, limit) : undefined,
    })),
  };
}

// The readings that set the level have no drift from it.
function readingPoint(reading, color) {
  const hollow = { color: colour("--surface"), borderColor: color, borderWidth: 1.5 };
  const point = { value: [reading.measured_at, reading.drift_pct ?? 0], reading };
  return reading.disturbed ? { ...point, itemStyle: hollow } : point;
}

function readingText({ sentinel, epoch, latency_ms: latency, drift_pct: drift, ...reading }) {
  return [
    `${sentinel}, epoch ${epoch}${reading.disturbed ? ", disturbed" : ""}`,
    `${significant(latency)} ms`,
    drift === null ? "sets the level of the epoch" : `${significant(drift, 2)}% from the level`,
    dateTime(reading.measured_at),
  ].join("\n");
}

// The limits of the drift, and the first reading of each epoch but the first.
function marks(readings, limit) {
  const style = { color: colour("--ink-2") };
  const limits = limit > 0 ? [limit, -limit].map((yAxis) => ({ yAxis })) : [];
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: colour("--line-strong"), type: "dashed" },
    label: { show: false },
    data: [
      ...limits,
      ...epochStarts(readings).map(({ epoch, at }) => ({
        xAxis: at,
        label: { show: true, formatter: `epoch ${epoch}`, ...style },
      })),
    ],
  };
}

/** The first reading of each epoch but the first of these, as {epoch, at}, oldest first. */
export function epochStarts(readings) {
  const starts = new Map();
  for (const { epoch, measured_at: at } of readings) {
    if (!starts.has(epoch) || at < starts.get(epoch)) starts.set(epoch, at);
  }
  return [...starts].map(([epoch, at]) => ({ epoch, at })).sort((a, b) => a.epoch - b.epoch)
    .slice(1);
}

/** Temperatures while samples were measured. */
export function temperatureChart(samples) {
  const points = samples.map(({ measured_at: at, conditions }) => [at, conditions.temperature_c]);
  return {
    option: () =>
      points.length
        ? {
          tooltip: tooltip(({ value }) => `${Math.round(value[1])} °C\n${dateTime(value[0])}`),
          xAxis: timeAxis(),
          yAxis: yAxis("°C", { type: "value", scale: true }),
          series: [{
            type: "scatter",
            symbolSize: 6,
            itemStyle: { color: seriesColour(1) },
            data: points,
          }],
        }
        : {},
    label: points.length
      ? `Temperature during ${plural(points.length, "sample")}, the newest ones`
      : "No temperature was recorded in this time",
    rows: [["measured_at", "temperature_c"], ...points],
  };
}

/** The noise floor when each version of the LPNet was trained. */
export function noiseChart(lpnets) {
  const versions = lpnets.filter(({ noise_floor_pct: floor }) => floor !== null);
  const columns = ["version", "epoch", "noise_floor_pct", "created_at"];
  const text = ({ version, epoch, noise_floor_pct: floor, created_at: created }) =>
    `version ${version}, epoch ${epoch}\n${significant(floor, 2)}%\n${dateTime(created)}`;
  return {
    option: () =>
      versions.length
        ? {
          tooltip: tooltip(({ dataIndex }) => text(versions[dataIndex])),
          xAxis: timeAxis(),
          yAxis: yAxis("noise floor, %", { type: "value", min: 0 }),
          series: [{
            type: "line",
            symbol: "circle",
            symbolSize: 9,
            itemStyle: { color: seriesColour(0) },
            lineStyle: { color: seriesColour(0) },
            data: versions.map(({ created_at: at, noise_floor_pct: floor }) => [at, floor]),
          }],
        }
        : {},
    label: versions.length
      ? "Noise floor when each version of the LPNet was trained"
      : "No version of an LPNet has a noise floor in this time",
    rows: csvRows(columns, versions),
  };
}

function timeAxis() {
  return xAxis("", { type: "time" });
}
