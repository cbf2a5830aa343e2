// Tables of the report: held-out networks by how they were drawn, and the largest errors.
import { cell, h, numberCell } from "../lib/dom.js";
import { count, fixed, ms, percent } from "../lib/format.js";
import { csvRows, pickFields } from "../lib/save.js";
import { url } from "../lib/url.js";

// Held-out networks by how they were drawn.
const DRAWS = {
  network: "all networks",
  network_random: "drawn at random",
  network_aligned: "aligned: every width a multiple of 4, 8, 16 or 32, or dense",
  network_pruned: "chosen by a pruner",
  network_other: "others: listed by a user or a pruning job",
};
const PARTS = ["network_random", "network_aligned", "network_pruned"];
const MAX_WORST = 15;

/** The rows of held-out networks by how they were drawn. `reasonOf` explains what is unknown. */
export function drawRows(report, reasonOf) {
  const heldOut = withOthers(report.held_out);
  return Object.entries(DRAWS).map(([draw, name]) => {
    const metrics = heldOut[draw];
    const reason = reasonOf(`held_out.${draw}`, "no network was held out");
    const rank = metrics ? "fewer than three, or not in the report" : reason;
    return h(
      "tr",
      {},
      h("td", { class: "lead-cell" }, name),
      numberCell("Samples", count(metrics?.n ?? 0)),
      numberCell("Error", percent(metrics?.mape_pct, { reason })),
      numberCell("Within 5%", percent(metrics?.within_5_pct, { reason })),
      numberCell("Rank correlation", fixed(metrics?.spearman, 3, rank)),
    );
  });
}

/** The rows of the CSV file of `drawRows`. */
export function csvDraws(report) {
  const heldOut = withOthers(report.held_out);
  const columns = ["n", "mape_pct", "within_5_pct", "within_10_pct", "spearman"];
  const rows = Object.keys(DRAWS).map((draw) => [
    draw,
    ...pickFields(columns, heldOut[draw] ?? {}),
  ]);
  return [["held_out", ...columns], ...rows];
}

/**
 * Errors by how networks were drawn, with the networks that belong to no group of the report. The
 * means of these follow from those of all networks and of the other groups.
 */
export function withOthers(heldOut) {
  const groups = PARTS.map((name) => heldOut[name]).filter(Boolean);
  const n = (heldOut.network?.n ?? 0) - sum(groups, "n");
  if (n <= 0) return { ...heldOut, network_other: null };
  const mean = (name) => {
    const rest = groups.reduce(
      (total, group) => total - group.n * group[name],
      heldOut.network.n *
        heldOut.network[name],
    );
    return Math.max(0, rest / n);
  };
  const names = ["mape_pct", "within_5_pct", "within_10_pct"];
  const means = Object.fromEntries(names.map((name) => [name, mean(name)]));
  return { ...heldOut, network_other: { n, ...means, spearman: null } };
}

function sum(items, name) {
  return items.reduce((total, item) => total + item[name], 0);
}

/** The held-out workloads of a kind with the largest errors. */
export function worstResiduals(residuals, shownKind) {
  return residuals
    .filter(({ kind, error_pct: error }) => kind === shownKind && error !== null)
    .sort((a, b) => Math.abs(b.error_pct) - Math.abs(a.error_pct))
    .slice(0, MAX_WORST);
}

/** A row of the largest errors of a target. */
export function worstRow(item, target) {
  const { kind, space, space_name: spaceName, block, sample } = item;
  const table = url("/table", { target, kind, space, block, search: sample, sample });
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: table }, block ?? "whole network"),
      spaceName && [
        h("span", { class: "soft" }, " of "),
        h("a", { href: url("/space", { space }) }, spaceName),
      ],
    ),
    numberCell("Measured", ms(item.measured_ms)),
    numberCell("Predicted", ms(item.predicted_ms)),
    numberCell("Error", percent(item.error_pct, { sign: true })),
    cell("Drawn", item.draw),
  );
}

/** The rows of the CSV file of the largest errors. */
export function csvWorst(worst) {
  const columns = [
    "sample",
    "kind",
    "space_name",
    "block",
    "draw",
    "measured_ms",
    "predicted_ms",
    "error_pct",
  ];
  return csvRows(columns, worst);
}
