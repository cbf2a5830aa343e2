// Where the time of a network goes: a row per block.
import { h, numberCell } from "../lib/dom.js";
import { compact, ms, percent } from "../lib/format.js";

/** The row of a part of the latency; `densePart` is the same part of the unpruned network. */
export function partRow(part, densePart) {
  const bar = { max: 1, value: Math.max(0, part.share), "aria-hidden": "true" };
  const ofDense = densePart?.latency_ms > 0 &&
    percent((100 * part.latency_ms) / densePart.latency_ms);
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell code" }, partName(part)),
    numberCell("Time", ms(part.latency_ms)),
    h(
      "td",
      { "data-label": "Share" },
      h(
        "div",
        { class: "share" },
        h("progress", bar),
        h("span", { class: "num" }, percent(part.share * 100)),
      ),
    ),
    numberCell("Of dense", ofDense),
    numberCell("MACs", part.kind === "block" && compact(part.macs)),
  );
}

function partName({ kind, name }) {
  return name ?? { edges: "input and output", call: "call overhead" }[kind];
}

/** The rows of the CSV file of the parts. */
export function csvParts(parts) {
  const rows = parts.map((part) => [
    partName(part),
    part.latency_ms,
    part.share,
    part.macs,
    part.params,
  ]);
  return [["block", "latency_ms", "share", "macs", "params"], ...rows];
}
