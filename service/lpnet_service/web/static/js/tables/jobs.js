// Pruning jobs: their results by job, and a row for each job.
import { spaceLabel } from "../lib/choices.js";
import { cell, h, numberCell } from "../lib/dom.js";
import { ago, ms, percent, unknown } from "../lib/format.js";
import { url } from "../lib/url.js";

/** Results as lists by job, the job of the newest result first; candidates in their order. */
export function resultsByJob(results) {
  const jobs = Map.groupBy(results, ({ job }) => job);
  return [...jobs.values()].map((job) => job.toSorted((a, b) => a.round - b.round));
}

/** The candidate that a job continued with, or its last one. */
export function chosenOf(job) {
  return job.find(({ chosen }) => chosen) ?? job.at(-1);
}

/** The row of a job. */
export function jobRow(job, spaces) {
  const result = chosenOf(job);
  const { target, method, model, space } = result;
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: url("/job", { job: result.job }) }, `${method}, ${model}`),
      ` on ${target}`,
      h("div", { class: "small soft" }, spaceLabel(space, spaces)),
    ),
    numberCell("Measured", ms(result.measured_ms, "not measured")),
    numberCell("Budget", ms(result.budget_ms)),
    numberCell("Accuracy", accuracyText(result.accuracy_after)),
    numberCell("Before", accuracyText(result.accuracy_before)),
    cell("Began", ago(result.created_at)),
  );
}

/** An accuracy from 0 to 1 in percent. */
export function accuracyText(value) {
  return value === null ? unknown("not tested") : percent(100 * value, { decimals: 2 });
}
