// Columns of the latency table.
import { h } from "../lib/dom.js";
import { ago, count, ms, percent, significant, unknown } from "../lib/format.js";
import { formatter } from "../lib/paged-table.js";

const MAX_WIDTHS_SHOWN = 6;

/** The columns of the latency table; `spaces` are all spaces. */
export function latencyColumns(spaces) {
  return [
    {
      title: "Workload",
      term: "workload",
      field: "block",
      minWidth: 170,
      widthGrow: 2,
      formatter: formatter((row) => [
        workloadName(row),
        h("div", { class: "small soft" }, row.space_name ?? "ops"),
      ]),
    },
    {
      title: "Widths",
      term: "widths",
      field: "widths",
      minWidth: 150,
      widthGrow: 2,
      formatter: formatter(({ workload }) =>
        h("span", { class: "small code" }, widthsText(workload, spaces))
      ),
    },
    {
      title: "Latency",
      term: "latency",
      field: "latency_ms",
      headerSort: true,
      hozAlign: "right",
      minWidth: 110,
      formatter: formatter((row) => h("span", { class: "num" }, ms(row.latency_ms))),
    },
    {
      title: "Spread",
      term: "spread",
      field: "std_ms",
      hozAlign: "right",
      minWidth: 90,
      formatter: formatter((row) => h("span", { class: "num soft" }, spread(row))),
    },
    {
      title: "Predicted",
      term: "predicted",
      field: "predicted_ms",
      hozAlign: "right",
      minWidth: 110,
      formatter: formatter((row) =>
        h(
          "span",
          { class: "num" },
          ms(row.predicted_ms, "no LPNet, or it does not cover these ops"),
        )
      ),
    },
    {
      title: "Error",
      term: "error",
      field: "error_pct",
      hozAlign: "right",
      minWidth: 90,
      formatter: formatter(errorText),
    },
    {
      title: "Drawn",
      term: "drawn",
      field: "draw",
      minWidth: 95,
      formatter: formatter((row) =>
        h("span", { class: "small" }, row.draw ?? "", row.held_out && " · held out")
      ),
    },
    {
      title: "Measured",
      term: "measured_at",
      field: "measured_at",
      headerSort: true,
      minWidth: 125,
      formatter: formatter((row) =>
        h("span", { class: "small" }, ago(row.measured_at, "time not recorded"))
      ),
    },
    {
      title: "Conditions",
      term: "conditions",
      field: "disturbed",
      minWidth: 190,
      widthGrow: 3,
      formatter: formatter((row) =>
        row.disturbed
          ? h("span", { class: "warn small" }, "disturbed: ", row.reasons.join("; "))
          : h("span", { class: "soft small" }, conditionsText(row))
      ),
    },
  ];
}

/** What a row was measured of. */
export function workloadName({ kind, workload }) {
  if (kind === "network") return "whole network";
  return h("span", { class: "code" }, workload.block ?? "block");
}

function widthsText({ widths, ops, space: hash }, spaces) {
  if (!widths) return ops.map((op) => op.c_out ?? op.type).join(" · ");
  const values = Object.values(widths);
  if (values.length <= MAX_WIDTHS_SHOWN) return values.join(" · ");
  const number = `${values.length} widths`;
  const space = spaces.find((candidate) => candidate.hash === hash);
  if (!space) return number;
  const dense = space.widths.reduce((sum, { max }) => sum + max, 0);
  const kept = values.reduce((sum, value) => sum + value, 0);
  return `${Math.round((100 * kept) / dense)}% of ${number}`;
}

function spread({ std_ms: std, latency_ms: latency }) {
  return std === null ? unknown("not recorded") : ["± ", percent((100 * std) / latency)];
}

function errorText({ error_pct: error }) {
  if (error === null) return unknown("not predicted");
  const size = Math.abs(error);
  const style = size > 10 ? "bad" : size > 5 ? "warn" : "";
  return h("span", { class: `num ${style}` }, percent(error, { sign: true }));
}

function conditionsText({ count: runs, conditions }) {
  const { frequency_mhz: mhz, temperature_c: celsius } = conditions ?? {};
  return [
    runs && `${count(runs)} runs`,
    mhz && `${significant(mhz / 1000, 2)} GHz`,
    celsius && `${Math.round(celsius)} °C`,
  ].filter(Boolean).join(" · ");
}
