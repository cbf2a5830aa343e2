// Job: what a pruning job did, its candidates, and the network that it chose.
import { getItems } from "../lib/api.js";
import { fillSelect, loadSpaces, spaceLabel } from "../lib/choices.js";
import { byId, fill, h, numberCell } from "../lib/dom.js";
import { fillFigures } from "../lib/figures.js";
import { compact, count, dateTime, duration, ms, percent } from "../lib/format.js";
import { showInstead, showResults } from "../lib/notice.js";
import { start } from "../lib/page.js";
import { addCsvButton, csvRows } from "../lib/save.js";
import { readState, url, writeState } from "../lib/url.js";
import { accuracyText, chosenOf, resultsByJob } from "../tables/jobs.js";

const DEFAULTS = { job: "" };
const PAGE = 500;
const MAX_RESULTS = 5000;
const CSV_COLUMNS = [
  "id",
  "round",
  "chosen",
  "measured_ms",
  "predicted_ms",
  "low_ms",
  "high_ms",
  "accuracy_after",
  "macs_after",
  "params_after",
];

const state = readState(DEFAULTS);
let jobs = [];
let spaces = [];

start(async () => {
  const [list, loadedSpaces] = await Promise.all([
    getItems("/v1/prunings", { limit: PAGE }, MAX_RESULTS),
    loadSpaces(),
  ]);
  jobs = resultsByJob(list.items);
  spaces = loadedSpaces;
  byId("loading").hidden = true;
  if (!jobs.length) {
    showInstead("No pruning job has reported a result yet. To start one, run: lpnet prune");
    return;
  }
  const options = jobs.map((job) => {
    const { method, model, target, created_at: at } = job[0];
    return { value: job[0].job, label: `${method}, ${model} on ${target}, ${dateTime(at)}` };
  });
  state.job = fillSelect("job", options, state.job, undefined, "pruning job");
  byId("job").addEventListener("change", ({ target: field }) => {
    state.job = field.value;
    show();
  });
  addCsvButton("candidates-csv", "candidates", () => csvRows(CSV_COLUMNS, currentJob()));
  addCsvButton("widths-csv", "job-widths", () => [
    ["width", "kept", "max"],
    ...keptWidths(chosenOf(currentJob())),
  ]);
  show();
});

function currentJob() {
  return jobs.find(([first]) => first.job === state.job);
}

function show() {
  writeState(state, DEFAULTS);
  const job = currentJob();
  const chosen = chosenOf(job);
  showResults();
  showFigures(job, chosen);
  showLinks(chosen);
  showFacts(chosen);
  fill(byId("candidates"), job.map(candidateRow));
  fill(byId("widths"), keptWidths(chosen).map(widthRow));
}

function showFigures(job, chosen) {
  const { measured_ms: measured, budget_ms: budget, dense_ms: dense } = chosen;
  const ofDense = measured !== null && dense !== null &&
    h("small", {}, [" ", percent((100 * measured) / dense), " of dense"]);
  fillFigures("figures", [
    ["measured_pruned", "Measured", [ms(measured, "not measured"), ofDense]],
    ["budget", "Budget", ms(budget)],
    ["predicted_pruned", "Predicted", ms(chosen.predicted_ms)],
    [
      "accuracy",
      "Accuracy",
      [
        accuracyText(chosen.accuracy_after),
        h("small", {}, [" ", accuracyText(chosen.accuracy_before), " before"]),
      ],
    ],
    [
      "macs",
      "MACs",
      [
        compact(chosen.macs_after),
        h("small", {}, [" ", percent((100 * chosen.macs_after) / chosen.macs_before), " of dense"]),
      ],
    ],
    ["candidates", "Candidates", count(job.length)],
  ]);
}

function whatIf({ id, target, space, batch, widths }) {
  const w = Object.entries(widths).map(([name, channels]) => `${name}:${channels}`);
  return url("/what-if", { target, space, batch, w, pruning: id });
}

function showLinks(chosen) {
  const { target, space } = chosen;
  fill(
    byId("links"),
    h("a", { href: whatIf(chosen) }, "Where does its time go?"),
    h("a", { href: url("/pareto", { target, space }) }, "How do other results compare?"),
    h("a", { href: url("/report", { target }) }, "How far can the predictions be trusted?"),
  );
}

function showFacts(result) {
  const { target, space, batch, epochs, seconds } = result;
  const rows = [
    ["Job", h("span", { class: "code" }, result.job)],
    ["Method", result.method],
    ["Network", [result.model, " (", spaceLink(space), ")"]],
    ["Target", h("a", { href: url("/table", { target, space }) }, target)],
    ["Batch", count(batch)],
    ["Data", `${result.data}, seed ${result.seed}`],
    ["Epochs", phases(epochs, count)],
    ["Time", phases(seconds, (value) => duration(value))],
    ["Began", dateTime(result.created_at)],
    ["lpnet", result.lpnet_version],
  ];
  const known = rows.filter(([, value]) => value);
  fill(byId("facts"), known.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

function spaceLink(space) {
  return h("a", { href: url("/space", { space }) }, spaceLabel(space, spaces));
}

function phases(values, format) {
  return Object.entries(values).map(([name, value]) => `${name} ${format(value)}`).join(", ");
}

function candidateRow(result) {
  const { round, chosen, measured_ms: measured, predicted_ms: predicted } = result;
  const error = measured === null ? null : 100 * (predicted / measured - 1);
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: whatIf(result) }, `candidate ${round}`),
      chosen && " chosen",
    ),
    numberCell("Measured", ms(measured, "no undisturbed measurement")),
    numberCell("Predicted", ms(predicted)),
    numberCell("Error", percent(error, { sign: true, reason: "not measured" })),
    numberCell("MACs", compact(result.macs_after)),
    numberCell("Parameters", compact(result.params_after)),
    numberCell("Accuracy", accuracyText(result.accuracy_after)),
  );
}

// [name, kept channels, max] of each width; the max is unknown without the space.
function keptWidths({ space: hash, widths }) {
  const space = spaces.find((candidate) => candidate.hash === hash);
  const maxima = new Map(space?.widths.map(({ name, max }) => [name, max]));
  return Object.entries(widths).map(([name, kept]) => [name, kept, maxima.get(name)]);
}

function widthRow([name, kept, max]) {
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell code" }, name),
    numberCell("Kept", count(kept)),
    numberCell("Max", count(max, "the space is not stored here")),
    numberCell("Share", percent((100 * kept) / max, { reason: "the space is not stored here" })),
  );
}
