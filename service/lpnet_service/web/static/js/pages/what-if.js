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
import { byId, command, fill, h } from "../lib/dom.js";
import { fillFigures } from "../lib/figures.js";
import { compact, ms, msText, percent, plural, significant } from "../lib/format.js";
import { showGone } from "../lib/gone.js";
import { findMeasurement, measurementText } from "../lib/measurement.js";
import { messageOf, showInstead, showNotice, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { saveCsv } from "../lib/save.js";
import { readState, url, writeState } from "../lib/url.js";
import { changedWidths, denseWidths, nearestLegal, parseWidths } from "../lib/widths.js";
import { csvParts, partRow } from "../tables/parts.js";

// `w`: the widths that differ from the dense network, as "name:channels". `pruning`, `sample`: the
// id of a result of a pruning job, or of a sample, whose widths these are.
const DEFAULTS = { target: "", space: "", batch: 1, w: [], pruning: "", sample: "" };
const PRESETS_PCT = [100, 75, 50, 25];
const COVERAGE = 0.9;

const state = readState(DEFAULTS);
const predictions = new LatestRequest();
let space = null;
let widths = new Map(); // channels by the name of the width
let prediction = null; // the last one shown
let measurement = null; // of the widths that the page was opened with

start(async () => {
  const [targets, spaces] = await Promise.all([loadTargets({ trained: true }), loadSpaces()]);
  byId("loading").hidden = true;
  if (!targets.length || !spaces.length) {
    showInstead(targets.length ? NO_SPACE : NO_LPNET);
    return;
  }
  const names = targets.map(({ name }) => name);
  state.target = fillSelect("target", names, state.target, undefined, "target with an LPNet");
  state.space = fillSelect("space", spaceOptions(spaces), state.space, undefined, "space");
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
  measurement = await findMeasurement(state);
  await selectSpace(spaces.find(({ hash }) => hash === state.space), state.w);
});

function change(values) {
  Object.assign(state, values);
  return predict();
}

function selectSpace(newSpace, changes) {
  space = newSpace;
  const changed = changedWidths(space, changes);
  widths = changed.widths;
  if (changed.problems.length) showGone(changed.problems.join(" "));
  byId("about").href = url("/space", { space: space.hash });
  byId("width-count").textContent = plural(space.widths.length, "width");
  fill(byId("widths"), space.widths.map(slider));
  return change({ space: space.hash });
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
    const pasted = parseWidths(space, byId("json").value);
    for (const [name, channels] of pasted) setWidth(name, channels);
    predict();
  } catch (error) {
    alert.textContent = error.message;
    alert.hidden = false;
  }
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
    widths: [Object.fromEntries(widths), denseWidths(space)],
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
  showMeasurement(latency);
  showMemory(memory);
  const ofDense = (value, denseValue) =>
    h("small", {}, ` ${significant((100 * value) / denseValue)} % of dense`);
  fillFigures("figures", [
    [
      "of_dense",
      "Of dense",
      [
        percent((100 * latency) / dense.latency_ms),
        h("small", {}, ` dense takes ${msText(dense.latency_ms)}`),
      ],
    ],
    ["macs", "MACs", [compact(macs), ofDense(macs, dense.macs)]],
    ["params", "Parameters", [compact(params), ofDense(params, dense.params)]],
    [
      "per_second",
      "Inferences per second",
      [significant(1000 / latency), h("small", {}, " one at a time")],
    ],
  ]);
  fill(
    byId("parts"),
    parts.map((part, index) => partRow(part, densePrediction.breakdown.parts[index])),
  );
  showCode();
}

// Only the very widths that were measured have a measurement.
function showMeasurement(latency) {
  const isSame = measurement !== null && isMeasured(measurement);
  byId("measured").hidden = !isSame;
  if (isSame) fill(byId("measured"), measurementText(measurement, latency));
}

function isMeasured({ target, space: hash, batch, widths: measured }) {
  return target === state.target && hash === state.space && batch === state.batch &&
    space.widths.every(({ name, max }) => (measured[name] ?? max) === widths.get(name));
}

function showMemory(memory) {
  const notice = byId("memory");
  notice.hidden = !memory || memory.verdict === "fits";
  if (memory) {
    const need = significant(memory.need_mib);
    notice.textContent = `Memory: ${memory.verdict}. The network needs about ${need} MiB.`;
  }
}

function saveParts() {
  saveCsv(`${state.target}-${space.name}-breakdown.csv`, csvParts(prediction.breakdown.parts));
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
