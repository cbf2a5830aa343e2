// Space: what a network holds, what of it is frozen, and why.
import { get } from "../lib/api.js";
import { document } from "../lib/browser.js";
import { fillSelect, loadSpaces, loadTargets, NO_SPACE, spaceOptions } from "../lib/choices.js";
import { byId, cell, fill, h, numberCell } from "../lib/dom.js";
import { fillFigures } from "../lib/figures.js";
import { ago, compact, count, percent, percentText, plural } from "../lib/format.js";
import { messageOf, showInstead, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { addCsvButton } from "../lib/save.js";
import { readState, url, writeState } from "../lib/url.js";
import { MAX_TARGETS, spaceTargetRow, targetsOfSpace } from "../tables/space-targets.js";

const DEFAULTS = { space: "" };
const MAX_LAYERS_SHOWN = 4;
const NO_REASONS = "The space was uploaded by an older lpnet, which kept no reasons. Upload it " +
  "again to store them: lpnet space MODEL --upload";

const state = readState(DEFAULTS);
let spaces = [];
let summary = null;

start(async () => {
  const session = await get("/v1/session");
  spaces = await loadSpaces();
  byId("loading").hidden = true;
  if (!spaces.length) {
    showInstead(NO_SPACE);
    return;
  }
  const mayDownload = session.scopes.some((scope) => ["predict", "train", "admin"].includes(scope));
  byId("file").hidden = !mayDownload;
  state.space = fillSelect("space", spaceOptions(spaces), state.space, undefined, "space");
  byId("space").addEventListener("change", ({ target: field }) => {
    state.space = field.value;
    load();
  });
  addCsvButton("widths-csv", "widths", csvWidths);
  addCsvButton("frozen-csv", "frozen", csvFrozen);
  addEventListener("lpnet:theme", showDiagram);
  await load();
});

function path(part) {
  return `/v1/spaces/${state.space}/${part}`;
}

async function load() {
  writeState(state, DEFAULTS);
  const requested = state.space;
  try {
    const loaded = await get(path("summary"));
    if (requested !== state.space) return;
    summary = loaded;
  } catch (error) {
    showInstead(messageOf(error));
    return;
  }
  showResults();
  showFigures();
  fill(byId("widths"), summary.widths.map(widthRow));
  showFrozen();
  showDiagram();
  byId("block-count").textContent = plural(summary.blocks.length, "block");
  fill(byId("blocks"), summary.blocks.map((name) => h("li", {}, name)));
  await showTargets(requested);
}

async function showTargets(space) {
  const targets = await loadTargets();
  let measured = [];
  try {
    measured = await targetsOfSpace(targets, space);
  } catch (error) {
    // Some tokens may read spaces, but no samples.
    byId("targets-table").hidden = true;
    byId("targets-note").textContent = messageOf(error);
    return;
  }
  if (space !== state.space) return;
  const part = targets.length > MAX_TARGETS
    ? ` Only the ${MAX_TARGETS} targets with most samples are looked at.`
    : "";
  byId("targets-table").hidden = measured.length === 0;
  byId("targets-note").textContent =
    (measured.length
      ? `${plural(measured.length, "target")} measured this space in the current epoch.`
      : "No target has measured this space in its current epoch.") + part;
  fill(byId("targets"), measured.map((target) => spaceTargetRow(target, space)));
}

function showFigures() {
  const { frozen_channels: frozen, channels, input_shapes: inputs } = summary;
  const { ops, created_at: created } = spaces.find(({ hash }) => hash === summary.hash);
  fillFigures("figures", [
    ["macs", "MACs", compact(summary.macs)],
    ["params", "Parameters", compact(summary.params)],
    ["width_count", "Widths", count(summary.widths.length)],
    [
      "blocks",
      "Blocks",
      [count(summary.blocks.length), h("small", {}, ` ${plural(ops, "op")}`)],
    ],
    [
      "frozen_channels",
      "Frozen channels",
      [percent(summary.frozen_pct), h("small", {}, ` ${count(frozen)} of ${count(channels)}`)],
    ],
  ]);
  const shapes = inputs.map((shape) => shape.join("×")).join(", ");
  fill(
    byId("facts"),
    h("span", {}, `Input ${shapes}`),
    h("span", {}, "Hash ", h("span", { class: "code" }, summary.hash)),
    h("span", {}, "Uploaded ", ago(created)),
  );
  const { space } = state;
  fill(
    byId("links"),
    h("a", { href: url("/what-if", { space }) }, "What would other widths cost?"),
    h("a", { href: url("/curves", { space }) }, "What does a channel cost?"),
    h("a", { href: url("/pareto", { space }) }, "What did pruning reach?"),
  );
  const file = byId("file");
  file.href = path("file");
  file.download = `${summary.name.replace(/[^\w.-]+/g, "_") || "space"}.onnx`;
}

function widthRow({ name, max, granule, layers }) {
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell name code" }, name),
    numberCell("Max", count(max)),
    numberCell("Granule", count(granule)),
    cell("Layers", layerList(layers)),
  );
}

// All layers; those after the first few unfold.
function layerList(layers) {
  const items = (names) => names.map((name) => h("li", { class: "code" }, name));
  if (layers.length <= MAX_LAYERS_SHOWN) {
    return h("div", { class: "layers small code" }, layers.join(", "));
  }
  const first = layers.slice(0, MAX_LAYERS_SHOWN - 1).join(", ");
  const hidden = layers.length - MAX_LAYERS_SHOWN + 1;
  return h(
    "details",
    { class: "layers small" },
    h("summary", {}, h("span", { class: "code" }, first), ` and ${count(hidden)} more`),
    h("ul", {}, items(layers)),
  );
}

function showFrozen() {
  const { frozen, frozen_channels: channels, frozen_pct: share } = summary;
  const isUnknown = channels > 0 && frozen.length === 0;
  byId("frozen-table").hidden = frozen.length === 0;
  const text = channels === 0
    ? "No channel is frozen: all can be pruned."
    : `${percentText(share)} of the output channels of layers stay as they are. ` +
      "They are measured and priced like all others.";
  byId("frozen-share").textContent = isUnknown ? `${text} ${NO_REASONS}` : text;
  fill(byId("frozen"), frozen.map(frozenRow));
}

function frozenRow({ node, op, channels, reason, layers }) {
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell name code" }, node),
    cell("Op", op),
    numberCell("Channels", count(channels)),
    h(
      "td",
      { class: "reason", "data-label": "Reason" },
      h("div", {}, reason, layers.length > 0 && layerList(layers)),
    ),
  );
}

// An image runs no script and has no styles, so the names in it can do no harm.
function showDiagram() {
  if (!summary) return;
  const colours = document.documentElement.dataset.theme;
  const source = url(path("diagram"), { colours });
  const diagram = byId("diagram");
  const { name, widths, blocks } = summary;
  diagram.src = source;
  diagram.alt = `Diagram of ${name}: ${plural(blocks.length, "block")} with ` +
    `${plural(widths.length, "width")}. The tables hold the same.`;
  byId("diagram-link").href = source;
}

function csvWidths() {
  const rows = summary.widths.map(({ name, max, granule, layers }) => [
    name,
    max,
    granule,
    layers.join("; "),
  ]);
  return [["name", "max", "granule", "layers"], ...rows];
}

function csvFrozen() {
  const rows = summary.frozen.map(({ node, op, channels, reason, layers }) => [
    node,
    op,
    channels,
    reason,
    layers.join("; "),
  ]);
  return [["node", "op", "channels", "reason", "layers"], ...rows];
}
