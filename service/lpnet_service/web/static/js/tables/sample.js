// All that is known of a sample.
import { h } from "../lib/dom.js";
import { count, dateTime, ms, percent } from "../lib/format.js";
import { url } from "../lib/url.js";

/** Facts about a row of the latency table, as a list of terms. */
export function factList(row) {
  const facts = [...sampleFacts(row), ...conditionFacts(row.conditions ?? {})];
  return h(
    "dl",
    { class: "facts" },
    facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
}

function sampleFacts(row) {
  const { p10_ms: p10, p90_ms: p90, error_pct: error, session, workload } = row;
  const widths = Object.entries(workload.widths ?? {}).map(([name, value]) => `${name} ${value}`);
  return [
    ["Sample", h("span", { class: "code" }, row.id)],
    ["Latency", [ms(row.latency_ms), row.count && ` median of ${count(row.count)} runs`]],
    p10 !== null && p10 !== undefined && ["10th to 90th percentile", [ms(p10), " to ", ms(p90)]],
    [
      "Predicted",
      [
        ms(row.predicted_ms, "not predicted"),
        error !== null && [" (", percent(error, { sign: true }), ")"],
      ],
    ],
    ["Measured", row.measured_at ? dateTime(row.measured_at) : "time not recorded"],
    session && ["Session", h("span", { class: "code" }, session)],
    [
      "Conditions",
      row.disturbed ? h("span", { class: "warn" }, row.reasons.join("; ")) : "undisturbed",
    ],
    widths.length > 0 && ["Widths", h("span", { class: "code small" }, widths.join(", "))],
  ].filter(Boolean);
}

function conditionFacts(conditions) {
  return Object.entries(conditions)
    .filter(([, value]) => value !== null && value.length !== 0)
    .map(([name, value]) => [
      name.replaceAll("_", " "),
      Array.isArray(value) ? value.map((item) => item.toPrecision(4)).join(", ") : String(value),
    ]);
}

/**
 * A link from a network to the same widths in What if, or from a block to the curve of the width
 * that varies.
 */
export function sampleLink({ id, kind, workload }, target, space) {
  const { batch, block, widths } = workload;
  const changed = space.widths.filter(({ name, max }) => name in widths && widths[name] !== max);
  if (kind === "network") {
    const w = changed.map(({ name }) => `${name}:${widths[name]}`);
    const whatIf = url("/what-if", { target, space: space.hash, batch, w, sample: id });
    return h("a", { href: whatIf }, "Try other widths");
  }
  const width = changed[0]?.name ?? Object.keys(widths)[0];
  const curve = { target: [target], space: space.hash, block, width, batch };
  return h("a", { href: url("/curves", curve) }, "Show its latency curve");
}
