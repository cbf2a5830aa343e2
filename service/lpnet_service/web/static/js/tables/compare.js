// Columns of the table of shared workloads.
import { h } from "../lib/dom.js";
import { difference, ms } from "../lib/format.js";
import { formatter } from "../lib/paged-table.js";
import { url } from "../lib/url.js";

const MAX_WIDTHS_SHOWN = 6;

/** The columns of these targets, of which the first is the reference. */
export function compareColumns(targets) {
  const [reference] = targets;
  return [
    workloadColumn(reference),
    WIDTHS_COLUMN,
    ...targets.flatMap((target, n) => targetColumns(target, n, reference)),
  ];
}

function workloadColumn(reference) {
  return {
    title: "Workload",
    term: "workload",
    field: "block",
    minWidth: 220,
    widthGrow: 2,
    formatter: formatter(({ sample, kind, workload, space_name: space }) => [
      h(
        "a",
        { href: url("/table", { target: reference, search: sample, sample }) },
        kind === "network" ? "whole network" : (workload.block ?? "block"),
      ),
      h("div", { class: "small soft" }, space ?? "ops"),
    ]),
  };
}

const WIDTHS_COLUMN = {
  title: "Widths",
  term: "widths",
  field: "widths",
  minWidth: 150,
  widthGrow: 2,
  formatter: formatter(({ workload }) => h("span", { class: "small code" }, widthsText(workload))),
};

// Columns of the nth target: its latency, and its difference from the first.
function targetColumns(target, n, reference) {
  const shared = { headerSort: true, hozAlign: "right" };
  const latency = {
    ...shared,
    title: `${target}, ms`,
    term: "target_latency",
    field: `latency_${n}`,
    minWidth: 130,
    formatter: formatter((row) => {
      const isFastest = row.fastest === target;
      return h(
        "span",
        { class: isFastest ? "num good" : "num" },
        ms(row.latency_ms[n]),
        isFastest && h("span", { class: "visually-hidden" }, " fastest"),
      );
    }),
  };
  if (n === 0) return [latency];
  const differenceColumn = {
    ...shared,
    title: `against ${reference}`,
    term: "difference",
    field: `ratio_${n}`,
    minWidth: 150,
    formatter: formatter((row) => {
      const { text, isFaster } = difference(row.ratio[n]);
      return h("span", { class: isFaster ? "num good" : "num" }, text);
    }),
  };
  return [latency, differenceColumn];
}

function widthsText({ widths, ops }) {
  const values = widths ? Object.values(widths) : ops.map((op) => op.c_out ?? op.type);
  if (values.length <= MAX_WIDTHS_SHOWN) return values.join(" · ");
  const first = values.slice(0, MAX_WIDTHS_SHOWN - 1).join(" · ");
  return `${first} … (${values.length})`;
}
