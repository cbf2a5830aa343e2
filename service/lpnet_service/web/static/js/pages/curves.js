// Curves: latency against one width of a space, on one target or several.
import { curveChart } from "../charts/curves.js";
import { get, LatestRequest } from "../lib/api.js";
import { createChart } from "../lib/chart.js";
import {
  checkedTargets,
  fillSelect,
  fillTargetBoxes,
  limitTargets,
  listedTargets,
  loadSpaces,
  loadTargets,
  NO_LPNET,
  NO_SPACE,
  spaceOptions,
} from "../lib/choices.js";
import { byId, fill, h } from "../lib/dom.js";
import { messageOf, showInstead, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { readState, url, writeState } from "../lib/url.js";

// `of`: whether the latency is that of a block or of the whole network. Without a block it is that
// of the block with the width, where a channel matters most. `others`: the other widths, in percent
// of the dense network.
const DEFAULTS = {
  target: [],
  space: "",
  width: "",
  of: "block",
  block: "",
  others: 100,
  batch: 1,
};
const SHARES_PCT = [100, 75, 50, 25];
const MAX_TARGETS = 6;
const MAX_FAST_SHOWN = 24;
const COVERAGE = 0.9;

const state = readState(DEFAULTS);
const requests = new LatestRequest();
let spaces = [];
let layers = new Map(); // layers by the name of their width, in the current space
let chart = null;

start(async () => {
  const [targets, loadedSpaces] = await Promise.all([
    loadTargets({ trained: true }),
    loadSpaces(),
  ]);
  spaces = loadedSpaces;
  byId("loading").hidden = true;
  if (!targets.length || !spaces.length) {
    showInstead(targets.length ? NO_SPACE : NO_LPNET);
    return;
  }
  byId("form").hidden = false;
  const names = targets.map(({ name }) => name);
  const listed = listedTargets(state.target, names, "target with an LPNet");
  const selected = listed.slice(0, MAX_TARGETS);
  state.target = selected.length ? selected : [names[0]];
  state.space = fillSelect("space", spaceOptions(spaces), state.space, undefined, "space");
  const shares = SHARES_PCT.map((share) => ({
    value: String(share),
    label: share === 100 ? "dense" : `${share}% of dense`,
  }));
  fillSelect("others", shares, String(state.others));
  byId("batch").value = state.batch;
  fillTargetBoxes("targets", names, state.target);
  limitTargets(MAX_TARGETS);
  await fillWidthsAndBlocks();
  chart = await createChart("curve", "latency-curve");
  byId("form").addEventListener("submit", (event) => event.preventDefault());
  byId("form").addEventListener("change", changeForm);
  await load();
});

function currentSpace() {
  return spaces.find(({ hash }) => hash === state.space);
}

async function fillWidthsAndBlocks() {
  const summary = await get(`/v1/spaces/${state.space}/summary`);
  layers = new Map(summary.widths.map((width) => [width.name, width.layers]));
  const { widths, blocks } = currentSpace();
  const widthOptions = widths.map(({ name, max }) => ({ value: name, label: `${name} (${max})` }));
  const widest = widths.reduce((best, width) => (width.max > best.max ? width : best));
  const width = state.width || widest.name;
  state.width = fillSelect("width", widthOptions, width, undefined, "width");
  if (state.of === "block" && !state.block) state.block = blockOf(state.width);
  const blockOptions = blocks.map((name) => ({ value: name, label: `block ${name}` }));
  state.block = fillSelect("block", blockOptions, state.block, "whole network", "block");
  state.of = state.block ? "block" : "network";
}

// The block that a width's first layers are in; "" if the names do not tell.
function blockOf(width) {
  const isIn = (block) => (layer) => layer === block || layer.startsWith(`${block}.`);
  const { blocks } = currentSpace();
  const ofLayers = layers.get(width).map((layer) => blocks.find((block) => isIn(block)(layer)));
  return ofLayers.find(Boolean) ?? "";
}

async function changeForm({ target: field }) {
  const value = (id) => byId(id).value;
  const isOtherSpace = value("space") !== state.space;
  const isOtherWidth = field.id === "width" && state.of === "block";
  Object.assign(state, {
    target: checkedTargets(),
    space: value("space"),
    width: isOtherSpace ? "" : value("width"),
    block: isOtherSpace ? "" : isOtherWidth ? blockOf(value("width")) : value("block"),
    others: Number(value("others")),
    batch: Number(value("batch")) || 1,
  });
  if (isOtherSpace) {
    state.of = "block";
    await fillWidthsAndBlocks();
  }
  state.of = state.block ? "block" : "network";
  byId("block").value = state.block;
  limitTargets(MAX_TARGETS);
  load();
}

async function load() {
  writeState(state, DEFAULTS);
  if (!state.target.length) {
    requests.abort();
    showInstead("Choose a target.");
    return;
  }
  const request = {
    targets: state.target,
    space: state.space,
    block: state.block || null,
    width: state.width,
    at: null,
    batch: state.batch,
    coverage: COVERAGE,
  };
  try {
    let response = await requests.post("/v1/curves", request);
    // Only a response tells which other widths a block has.
    if (response && state.others !== 100) {
      const at = otherWidths(response.at);
      response = await requests.post("/v1/curves", { ...request, at });
    }
    if (response) show(response);
  } catch (error) {
    showInstead(messageOf(error));
  }
}

// The other widths of the part, by name, at their share of the dense network.
function otherWidths(dense) {
  const scale = ({ max, granule }) =>
    Math.max(granule, Math.round((max * state.others) / 100 / granule) * granule);
  const others = currentSpace().widths.filter(({ name }) => name in dense);
  return Object.fromEntries(others.map((width) => [width.name, scale(width)]));
}

function show({ curves, values }) {
  const problems = curves
    .filter(({ problem }) => problem)
    .map(({ target, problem }) => `${target}: ${problem.detail}`)
    .join(" ");
  const drawn = curves
    .filter(({ line }) => line)
    .map(({ target, line, points, advice }) => ({
      target,
      points: linePoints(values, line),
      measured: points,
      advice,
      tooLargeFrom: line.too_large_from,
    }));
  if (!drawn.length) {
    showInstead(problems);
    return;
  }
  showResults(problems);
  const part = state.block ? `block ${state.block}` : "the whole network";
  const names = drawn.map(({ target }) => target).join(", ");
  const label = `Latency of ${part} against the channels of ${state.width}, on ${names}`;
  chart.draw(curveChart(drawn, state.width, label));
  fill(byId("advice"), drawn.map(adviceSection));
}

// The API has a list per figure; here each width has an object with its figures.
function linePoints(values, line) {
  return values.map((width, n) => ({
    width,
    latency_ms: line.latency_ms[n],
    low_ms: line.low_ms[n],
    high_ms: line.high_ms[n],
    envelope_ms: line.envelope_ms[n],
    fast: line.fast[n],
  }));
}

function adviceSection({ target, points, advice, tooLargeFrom }, index) {
  const fast = points.filter((point) => point.fast).map((point) => point.width);
  const more = fast.length > MAX_FAST_SHOWN ? ", …" : "";
  const { space, block } = state;
  return h(
    "div",
    {},
    h("h3", {}, h("span", { class: `swatch s${index % 6}` }), target),
    tooLargeFrom !== null && h(
      "p",
      { class: "warn" },
      `From ${tooLargeFrom} channels the network does not fit in the target's memory.`,
    ),
    advice.length
      ? h("ul", { class: "advice" }, advice.map(({ text }) => h("li", {}, text)))
      : h("p", { class: "soft" }, "No width stands out from the noise."),
    h(
      "p",
      { class: "small soft" },
      `${fast.length} of ${points.length} widths are fast: `,
      h("span", { class: "code" }, `${fast.slice(0, MAX_FAST_SHOWN).join(", ")}${more}`),
    ),
    h(
      "p",
      { class: "small" },
      h("a", { href: url("/what-if", { target, space }) }, "What if"),
      " · ",
      h("a", { href: url("/table", { target, space, block }) }, "Latency table"),
    ),
  );
}
