// The chart of latency curves.
import { colour, legend, seriesColour, tooltip, xAxis, yAxis } from "../lib/chart.js";
import { msText, significant } from "../lib/format.js";

/**
 * Latency against the width called `width`, as {option, label, rows} of a chart's `draw`.
 *
 * A curve has its `target`, the predicted `points` with their interval and envelope, and the
 * `measured` points.
 */
export function curveChart(curves, width, label) {
  return { option: () => chartOption(curves, width), label, rows: csvRows(curves, width) };
}

function chartOption(curves, width) {
  const isSingle = curves.length === 1;
  const axisPointer = { type: "line", snap: true, lineStyle: { color: colour("--line-strong") } };
  return {
    legend: legend({
      show: !isSingle,
      data: curves.map(({ target }, index) => ({
        name: target,
        itemStyle: { color: seriesColour(index) },
      })),
    }),
    tooltip: tooltip(
      (items) => tooltipText(curves, Array.isArray(items) ? items[0].axisValue : items.value[0]),
      { trigger: "axis", axisPointer },
    ),
    xAxis: xAxis(`channels of ${width}`, { type: "value", min: 0, max: "dataMax" }),
    yAxis: yAxis("milliseconds", { type: "value", scale: true, max: yMax(curves) }),
    dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl" }],
    series: curves.flatMap((curve, index) => curveSeries(curve, index, isSingle ? 8 : 6)),
  };
}

function curveSeries({ target, points, measured }, index, symbolSize) {
  const color = seriesColour(index);
  const shared = { name: target, showSymbol: false, silent: true, tooltip: { show: false } };
  const hover = { silent: false, tooltip: { show: true } };
  const line = (makeValue) => ({
    ...shared,
    type: "line",
    data: points.map((point) => [point.width, makeValue(point)]),
  });
  // ECharts has no area between two lines: it is a line stacked upon an invisible one.
  const bound = { stack: `interval ${index}`, lineStyle: { opacity: 0 } };
  return [
    { ...line((point) => point.low_ms), ...bound },
    {
      ...line((point) => point.high_ms - point.low_ms),
      ...bound,
      areaStyle: { color, opacity: 0.16 },
    },
    {
      ...line((point) => point.envelope_ms),
      lineStyle: { color, type: "dashed", width: 1.5, opacity: 0.8 },
    },
    {
      ...line((point) => point.latency_ms),
      ...hover,
      itemStyle: { color },
      lineStyle: { color, width: 2 },
    },
    {
      ...shared,
      type: "scatter",
      symbol: "diamond",
      symbolSize,
      itemStyle: { color },
      data: points.filter(({ fast }) => fast).map((point) => [point.width, point.latency_ms]),
    },
    {
      ...shared,
      ...hover,
      type: "scatter",
      symbol: "circle",
      symbolSize: 9,
      z: 5,
      itemStyle: { color: colour("--surface"), borderColor: color, borderWidth: 2 },
      data: measured.map((point) => [point.width, point.latency_ms]),
    },
  ];
}

// Far from measured widths the interval can be so wide that it would flatten the curves. It is cut
// then; the tooltip shows its ends.
function yMax(curves) {
  const latencies = curves.flatMap(({ points, measured }) => [...points, ...measured])
    .map((point) => point.latency_ms);
  const high = Math.max(...curves.flatMap(({ points }) => points.map((point) => point.high_ms)));
  const limit = 1.5 * Math.max(...latencies);
  if (high <= limit) return null;
  const magnitude = 10 ** Math.floor(Math.log10(limit));
  const step = magnitude * (limit > 5 * magnitude ? 2 : limit > 2 * magnitude ? 1 : 0.5);
  return step * Math.ceil(limit / step);
}

function tooltipText(curves, width) {
  const distance = (point) => Math.abs(point.width - width);
  const lines = curves.flatMap(({ target, points, measured }) => {
    const point = points.reduce((best, other) => (distance(other) < distance(best) ? other : best));
    const interval = `${significant(point.low_ms)} to ${significant(point.high_ms)}`;
    const cost = point.fast ? "fast" : `${msText(point.envelope_ms)} when rounded up`;
    return [
      ...(curves.length > 1 ? [target] : []),
      `${msText(point.latency_ms)} predicted (${interval}), ${cost}`,
      ...measured
        .filter((sample) => sample.width === point.width)
        .map((sample) => `${msText(sample.latency_ms)} measured`),
    ];
  });
  return [`${Math.round(width)} channels`, ...lines].join("\n");
}

function csvRows(curves, width) {
  const columns = [
    "target",
    "width",
    "channels",
    "predicted_ms",
    "low_ms",
    "high_ms",
    "envelope_ms",
    "fast",
    "measured_ms",
  ];
  const rows = curves.flatMap(({ target, points, measured }) =>
    points.map((point) => [
      target,
      width,
      point.width,
      point.latency_ms,
      point.low_ms,
      point.high_ms,
      point.envelope_ms,
      point.fast,
      measured.find((sample) => sample.width === point.width)?.latency_ms,
    ])
  );
  return [columns, ...rows];
}
