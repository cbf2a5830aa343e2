// Curves: latency against one width of a space, on one target or on several.
import { read, write } from "../lib/address.js";
import { ApiError, address, post } from "../lib/api.js";
import { axis, chart, colour, legend, series, tooltip } from "../lib/chart.js";
import { byId, fill, h } from "../lib/dom.js";
import { digits, msText } from "../lib/format.js";
import { start } from "../lib/page.js";
import { atMost, boxes, choices, spaceLabel, spaces, targets } from "../lib/pick.js";

const USUAL = { target: [], space: "", width: "", block: "", others: 100, batch: 1 };
const SHARES = [100, 75, 50, 25];
const MOST = 6;
const COVERAGE = 0.9;

const asked = read(USUAL);
let all = [];
let held = [];
let plot = null;
let running = null;

start(async () => {
  [all, held] = await Promise.all([targets({ trained: true }), spaces()]);
  byId("wait").hidden = true;
  if (!all.length || !held.length) {
    cannot("A curve needs a target with an LPNet: lpnet profile TARGET SPACE measures and trains one.");
    return;
  }
  byId("form").hidden = false;
  asked.target = asked.target.filter((name) => all.some((one) => one.name === name)).slice(0, MOST);
  if (!asked.target.length) asked.target = [all[0].name];
  asked.space = choices("space", held.map((space) => ({ value: space.hash, label: spaceLabel(space, held) })), asked.space);
  choices("others", SHARES.map((share) => ({ value: String(share), label: share === 100 ? "dense" : `${share}% of dense` })), String(asked.others));
  byId("batch").value = asked.batch;
  boxes("targets", all.map(({ name }) => name), asked.target);
  atMost(MOST);
  lists();
  plot = await chart("curve", "latency-curve");
  byId("form").addEventListener("submit", (submit) => submit.preventDefault());
  byId("form").addEventListener("change", changed);
  await draw();
});

function lists() {
  const space = held.find(({ hash }) => hash === asked.space);
  // The widest has the most to tell.
  const widest = space.widths.reduce((best, one) => (one.max > best.max ? one : best));
  asked.width = choices("width", space.widths.map(({ name, max }) => ({ value: name, label: `${name} (${max})` })), asked.width || widest.name);
  asked.block = choices("block", space.blocks.map((name) => ({ value: name, label: `block ${name}` })), asked.block, "whole network");
}

function changed() {
  const value = (id) => byId(id).value;
  const chosen = [...document.querySelectorAll('input[name="target"]:checked')].map((box) => box.value);
  const other = value("space") !== asked.space;
  Object.assign(asked, { target: chosen, space: value("space"), width: other ? "" : value("width"), block: other ? "" : value("block"), others: Number(value("others")), batch: Number(value("batch")) || 1 });
  if (other) lists();
  atMost(MOST);
  draw();
}

async function draw() {
  write(asked, USUAL);
  running?.abort();
  if (!asked.target.length) {
    cannot("Choose a target.");
    return;
  }
  running = new AbortController();
  const space = held.find(({ hash }) => hash === asked.space);
  try {
    const found = await post("/v1/curves", { targets: asked.target, space: asked.space, block: asked.block || null, width: asked.width, at: at(space), batch: asked.batch, coverage: COVERAGE }, { signal: running.signal });
    const drawn = found.curves.filter((curve) => curve.line).map((curve) => ({ ...curve, points: points(found.values, curve.line), measured: curve.points }));
    const refused = found.curves.filter((curve) => curve.problem);
    byId("cannot").hidden = refused.length === 0;
    byId("cannot").textContent = refused.map((curve) => `${curve.target}: ${curve.problem.detail}`).join(" ");
    byId("found").hidden = drawn.length === 0;
    if (drawn.length) show(drawn);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ApiError)) throw error;
    cannot(error.message);
  }
}

function at(space) {
  if (asked.others === 100) return null;
  return Object.fromEntries(space.widths.map(({ name, max, granule }) => [name, Math.max(granule, Math.round((max * asked.others) / 100 / granule) * granule)]));
}

// One object per value, in the place of a list per figure.
function points(values, line) {
  return values.map((value, n) => ({ value, latency_ms: line.latency_ms[n], low_ms: line.low_ms[n], high_ms: line.high_ms[n], envelope_ms: line.envelope_ms[n], fast: line.fast[n] }));
}

function show(curves) {
  const where = asked.block ? `block ${asked.block}` : "the whole network";
  const label = `Latency of ${where} against the channels of ${asked.width}, on ${curves.map(({ target }) => target).join(", ")}`;
  plot.draw(() => option(curves), label, rows(curves));
  fill(byId("advice"), curves.map((curve, index) => section(curve, index)));
}

function option(curves) {
  const several = curves.length > 1;
  const drawn = curves.flatMap((curve, index) => {
    const ink = series(index);
    const { target, points, measured } = curve;
    const common = { showSymbol: false, silent: true, tooltip: { show: false } };
    return [
      // An area between two lines is, to the library, one line stacked upon another.
      { ...common, name: target, type: "line", stack: `band ${index}`, lineStyle: { opacity: 0 }, data: points.map((p) => [p.value, p.low_ms]) },
      { ...common, name: target, type: "line", stack: `band ${index}`, lineStyle: { opacity: 0 }, areaStyle: { color: ink, opacity: 0.16 }, data: points.map((p) => [p.value, p.high_ms - p.low_ms]) },
      { ...common, name: target, type: "line", lineStyle: { color: ink, type: "dashed", width: 1.5, opacity: 0.8 }, data: points.map((p) => [p.value, p.envelope_ms]) },
      { ...common, name: target, type: "line", silent: false, tooltip: { show: true }, itemStyle: { color: ink }, lineStyle: { color: ink, width: 2 }, data: points.map((p) => [p.value, p.latency_ms]) },
      { ...common, name: target, type: "scatter", symbol: "diamond", symbolSize: several ? 6 : 8, itemStyle: { color: ink }, data: points.filter((p) => p.fast).map((p) => [p.value, p.latency_ms]) },
      { ...common, name: target, type: "scatter", silent: false, tooltip: { show: true }, symbol: "circle", symbolSize: 9, z: 5, itemStyle: { color: colour("--surface"), borderColor: ink, borderWidth: 2 }, data: measured.map((m) => [m.width, m.latency_ms]) },
    ];
  });
  return {
    legend: legend({ show: several, data: curves.map(({ target }, index) => ({ name: target, itemStyle: { color: series(index) } })) }),
    tooltip: tooltip((items) => said(curves, Array.isArray(items) ? items[0].axisValue : items.value[0]), { trigger: "axis", axisPointer: { type: "line", snap: true, lineStyle: { color: colour("--line-strong") } } }),
    xAxis: axis(`channels of ${asked.width}`, { type: "value", min: 0, max: "dataMax" }),
    yAxis: axis("milliseconds", { type: "value", vertical: true, scale: true, ...tall(curves) }),
    dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl" }],
    series: drawn,
  };
}

// Of widths that nothing near was measured at the interval can be many times what is seen, and
// would press all else flat: it is cut, and the tooltip has its ends.
function tall(curves) {
  const seen = curves.flatMap(({ points, measured }) => [...points.map((p) => p.latency_ms), ...measured.map((m) => m.latency_ms)]);
  const high = Math.max(...curves.flatMap(({ points }) => points.map((p) => p.high_ms)));
  const top = 1.5 * Math.max(...seen);
  const lead = 10 ** Math.floor(Math.log10(top));
  const step = lead * (top > 5 * lead ? 2 : top > 2 * lead ? 1 : 0.5);
  return high > top ? { max: step * Math.ceil(top / step) } : {};
}

function said(curves, value) {
  const lines = curves.flatMap(({ target, points, measured }) => {
    const point = points.reduce((best, p) => (Math.abs(p.value - value) < Math.abs(best.value - value) ? p : best));
    const really = measured.filter((m) => m.width === point.value);
    return [
      curves.length > 1 ? target : null,
      `${msText(point.latency_ms)} predicted (${digits(point.low_ms)} to ${digits(point.high_ms)})${point.fast ? ", fast" : `, ${msText(point.envelope_ms)} rounded up`}`,
      ...really.map((m) => `${msText(m.latency_ms)} measured`),
    ];
  });
  return [`${Math.round(value)} channels`, ...lines.filter(Boolean)].join("\n");
}

function section(curve, index) {
  const fast = curve.points.filter((point) => point.fast).map((point) => point.value);
  return h(
    "div",
    {},
    h("h3", {}, h("span", { class: `swatch s${index % 6}` }), curve.target),
    curve.line.too_large_from !== null && h("p", { class: "warn" }, `From ${curve.line.too_large_from} channels on it does not fit in the target's memory.`),
    curve.advice.length ? h("ul", { class: "advice" }, curve.advice.map((advice) => h("li", {}, advice.text))) : h("p", { class: "soft" }, "Nothing stands out beyond the noise: it costs what its channels say."),
    h("p", { class: "small soft" }, `${fast.length} fast widths of ${curve.points.length}: `, h("span", { class: "code" }, fast.length > 24 ? `${fast.slice(0, 24).join(", ")}, …` : fast.join(", "))),
    h("p", { class: "small" }, h("a", { href: address("/what-if", { target: curve.target, space: asked.space }) }, "What if"), " · ", h("a", { href: address("/table", { target: curve.target, space: asked.space, block: asked.block }) }, "its rows in the table")),
  );
}

function rows(curves) {
  const names = ["target", "width", "channels", "predicted_ms", "low_ms", "high_ms", "envelope_ms", "fast", "measured_ms"];
  return [
    names,
    ...curves.flatMap(({ target, points, measured }) =>
      points.map((p) => [target, asked.width, p.value, p.latency_ms, p.low_ms, p.high_ms, p.envelope_ms, p.fast, measured.find((m) => m.width === p.value)?.latency_ms]),
    ),
  ];
}

function cannot(words) {
  byId("found").hidden = true;
  byId("cannot").hidden = false;
  byId("cannot").textContent = words;
}
