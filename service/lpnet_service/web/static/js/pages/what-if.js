// What if: change the widths of a network and see what it costs on a target.
import { LatestRequest } from "../lib/api.js";
import { CSS, document } from "../lib/browser.js";
import {
  fillSelect,
  loadSpaces,
  loadTargets,
  NO_LPNET,
  NO_SPACE,
  spaceOptions,
} from "../lib/choices.js";
import { byId, command, fill, fillFigures, h } from "../lib/dom.js";
import { compact, ms, msText, percent, significant } from "../lib/format.js";
import { messageOf, showInstead, showNotice, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { saveCsv } from "../lib/save.js";
import { readState, url, writeState } from "../lib/url.js";

// `w`: the widths that differ from the dense network, as "name:channels".
const DEFAULTS = { target: "", space: "", batch: 1, w: [] };
const PRESETS_PCT = [100, 75, 50, 25];
const COVERAGE = 0.9;

const state = readState(DEFAULTS);
const predictions = new LatestRequest();
let space = null;
let widths = new Map(); // channels by the name of the width
let prediction = null; // the last one shown

start(async () => {
  const [targets, spaces] = await Promise.all([loadTargets({ trained: true }), loadSpaces()]);
  byId("loading").hidden = true;
  if (!targets.length || !spaces.length) {
    showInstead(targets.length ? NO_SPACE : NO_LPNET);
    return;
  }
  state.target = fillSelect("target", targets.map(({ name }) => name), state.target);
  state.space = fillSelect("space", spaceOptions(spaces), state.space);
  byId("batch").value = state.batch;
  byId("target").addEventListener("change", ({ target: field }) => change({ target: field.value }));
  byId("batch").addEventListener("change", ({ target: field }) => {
    change({ batch: Number(field.value) });
  });
  byId("space").addEventListener("change", ({ target: field }) => {
    selectSpace(spaces.find(({ hash }) => hash === field.value), []);
  });
  fill(byId("presets"), PRESETS_PCT.map(presetButton));
  byId("all").addEventListener("input", ({ target: field }) => setAll(Number(field.value)));
  byId("paste").addEventListener("submit", pasteWidths);
  byId("csv").addEventListener("click", saveParts);
  await selectSpace(spaces.find(({ hash }) => hash === state.space), state.w);
});

function change(values) {
  Object.assign(state, values);
  return predict();
}

// Start from the dense network, with `changes` such as "layer1.0.conv1:12".
function selectSpace(newSpace, changes) {
  space = newSpace;
  widths = new Map(Object.entries(denseWidths()));
  for (const text of changes) {
    const colon = text.lastIndexOf(":");
    const width = space.widths.find(({ name }) => name === text.slice(0, colon));
    if (width) widths.set(width.name, nearestLegal(width, Number(text.slice(colon + 1))));
  }
  byId("about").href = url("/space", { space: space.hash });
  fill(byId("widths"), space.widths.map(slider));
  return change({ space: space.hash });
}

function denseWidths() {
  return Object.fromEntries(space.widths.map(({ name, max }) => [name, max]));
}

function nearestLegal({ max, granule }, value) {
  const channels = Number.isFinite(value) ? value : max;
  return Math.min(max, Math.max(granule, Math.round(channels / granule) * granule));
}

function presetButton(share) {
  const label = share === 100 ? "dense" : `${share}%`;
  return h("button", { type: "button", class: "quiet small", onclick: () => setAll(share) }, label);
}

function slider(width, index) {
  const { name, max, granule } = width;
  const id = `width-${index}`;
  const attributes = {
    min: granule,
    max,
    step: granule,
    value: widths.get(name),
    "data-width": name,
  };
  const range = h("input", { type: "range", id, ...attributes });
  const number = h("input", { type: "number", "aria-label": `${name}, channels`, ...attributes });
  const update = ({ target: field }) => {
    if (field.value === "") return;
    setWidth(name, nearestLegal(width, Number(field.value)), field);
    predict();
  };
  range.addEventListener("input", update);
  number.addEventListener("input", update);
  number.addEventListener("change", () => (number.value = widths.get(name)));
  return h(
    "div",
    { class: "width" },
    h("label", { for: id }, name, h("span", {}, `of ${max}`)),
    range,
    number,
  );
}

// `source` is the field that is being edited, which must not be overwritten.
function setWidth(name, channels, source = null) {
  widths.set(name, channels);
  for (const field of document.querySelectorAll(`input[data-width="${CSS.escape(name)}"]`)) {
    if (field !== source) field.value = channels;
  }
}

function setAll(share) {
  byId("all").value = share;
  for (const width of space.widths) {
    setWidth(width.name, nearestLegal(width, (width.max * share) / 100));
  }
  predict();
}

function pasteWidths(event) {
  event.preventDefault();
  const alert = byId("json-error");
  alert.hidden = true;
  try {
    const pasted = parseWidths(byId("json").value);
    for (const [name, channels] of pasted) setWidth(name, channels);
    predict();
  } catch (error) {
    alert.textContent = error.message;
    alert.hidden = false;
  }
}

function parseWidths(text) {
  const value = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("expected an object or a list");
  if (Array.isArray(value) && value.length !== space.widths.length) {
    throw new Error(`expected ${space.widths.length} widths, got ${value.length}`);
  }
  const entries = Array.isArray(value)
    ? value.map((channels, index) => [space.widths[index].name, channels])
    : Object.entries(value);
  for (const [name, channels] of entries) {
    const width = space.widths.find((candidate) => candidate.name === name);
    if (!width) throw new Error(`${name}: the space has no such width`);
    const { granule, max } = width;
    if (!Number.isInteger(channels) || nearestLegal(width, channels) !== channels) {
      throw new Error(
        `${name}: must be a multiple of ${granule} between ${granule} and ${max}, got ${channels}`,
      );
    }
  }
  return entries;
}

async function predict() {
  state.w = space.widths
    .filter(({ name, max }) => widths.get(name) !== max)
    .map(({ name }) => `${name}:${widths.get(name)}`);
  writeState(state, DEFAULTS);
  byId("ms").classList.add("stale");
  const request = {
    target: state.target,
    space: state.space,
    widths: [Object.fromEntries(widths), denseWidths()],
    batch: state.batch,
    coverage: COVERAGE,
    breakdown: true,
  };
  try {
    const response = await predictions.post("/v1/predictions", request);
    if (!response) return;
    showResults();
    show(response.predictions[0], response.predictions[1], response.dense);
  } catch (error) {
    const message = messageOf(error);
    if (error.code === "not_covered") showInstead(message);
    else showNotice(message);
  }
}

// `densePrediction` has the parts of the dense network, `dense` its totals.
function show(newPrediction, densePrediction, dense) {
  prediction = newPrediction;
  const { latency_ms: latency, low_ms: low, high_ms: high, breakdown, memory } = prediction;
  const { parts, macs, params } = breakdown;
  byId("ms").classList.remove("stale");
  fill(byId("ms"), ms(latency));
  byId("interval").textContent = `${COVERAGE * 100}% of measurements lie between ${
    msText(low)
  } and ${msText(high)}`;
  showMemory(memory);
  const ofDense = (value, denseValue) =>
    h("small", {}, ` ${significant((100 * value) / denseValue)} % of dense`);
  fillFigures("figures", [
    [
      "Of dense",
      [
        percent((100 * latency) / dense.latency_ms),
        h("small", {}, ` dense takes ${msText(dense.latency_ms)}`),
      ],
    ],
    ["MACs", [compact(macs), ofDense(macs, dense.macs)]],
    ["Parameters", [compact(params), ofDense(params, dense.params)]],
    ["Inferences per second", [significant(1000 / latency), h("small", {}, " one at a time")]],
  ]);
  const max = Math.max(...parts.map((part) => part.latency_ms));
  fill(
    byId("parts"),
    parts.map((part, index) => partRow(part, densePrediction.breakdown.parts[index], max)),
  );
  showCode();
}

function showMemory(memory) {
  const notice = byId("memory");
  notice.hidden = !memory || memory.verdict === "fits";
  if (memory) {
    const need = significant(memory.need_mib);
    notice.textContent = `Memory: ${memory.verdict}. The network needs about ${need} MiB.`;
  }
}

function partRow(part, densePart, max) {
  const bar = { max, value: Math.max(0, part.latency_ms), "aria-hidden": "true" };
  const ofDense = densePart?.latency_ms > 0 &&
    percent((100 * part.latency_ms) / densePart.latency_ms);
  return h(
    "tr",
    {},
    h("td", { class: "code" }, partName(part)),
    h("td", { class: "num" }, ms(part.latency_ms)),
    h(
      "td",
      {},
      h(
        "div",
        { class: "share" },
        h("progress", bar),
        h("span", { class: "num" }, percent(part.share * 100)),
      ),
    ),
    h("td", { class: "num" }, ofDense),
    h("td", { class: "num" }, part.kind === "block" && compact(part.macs)),
  );
}

function partName({ kind, name }) {
  return name ?? { edges: "input and output", call: "call overhead" }[kind];
}

function saveParts() {
  const rows = prediction.breakdown.parts.map((part) => [
    partName(part),
    part.latency_ms,
    part.share,
    part.macs,
    part.params,
  ]);
  const columns = ["block", "latency_ms", "share", "macs", "params"];
  saveCsv(`${state.target}-${space.name}-breakdown.csv`, [columns, ...rows]);
}

// The same prediction with the Python client and with curl.
function showCode() {
  const server = location.origin;
  const { target, space: hash, batch } = state;
  const current = Object.fromEntries(widths);
  const python = [
    "import lpnet",
    "",
    `client = lpnet.Client("${server}")`,
    `widths = ${JSON.stringify(current)}`,
    `space = client.space("${hash}")${batch === 1 ? "" : `.at(batch=${batch})`}`,
    `client.predict("${target}", space, widths)`,
  ];
  const curl = [
    `curl -s ${server}/v1/predictions`,
    "-H 'Content-Type: application/json'",
    '-H "Authorization: Bearer $LPNET_TOKEN"',
    `-d '${JSON.stringify({ target, space: hash, widths: [current], batch })}'`,
  ];
  fill(byId("python"), command(python.join("\n")));
  fill(byId("curl"), command(curl.join(" ")));
}
