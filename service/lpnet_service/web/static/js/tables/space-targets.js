// Targets with samples of a space.
import { get } from "../lib/api.js";
import { h, numberCell } from "../lib/dom.js";
import { count, percent, unknown } from "../lib/format.js";
import { url } from "../lib/url.js";

/** How many targets are looked at, those with most samples first. */
export const MAX_TARGETS = 50;

/** Targets that measured a space, each with the number of `spaceSamples`, most samples first. */
export async function targetsOfSpace(targets, space) {
  const largest = targets.toSorted((a, b) => b.samples - a.samples).slice(0, MAX_TARGETS);
  const facets = await Promise.all(
    largest.map(({ name }) => get(`/v1/targets/${encodeURIComponent(name)}/facets`)),
  );
  return largest
    .map((target, n) => {
      const facet = facets[n].spaces.find((candidate) => candidate.space === space);
      return { ...target, spaceSamples: facet?.samples ?? 0 };
    })
    .filter(({ spaceSamples }) => spaceSamples > 0)
    .sort((a, b) => b.spaceSamples - a.spaceSamples);
}

/** The row of a target that measured a space. */
export function spaceTargetRow({ name, spaceSamples, lpnet, network_mape_pct: error }, space) {
  const text = percent(error, { reason: "no network was held out" });
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: url("/table", { target: name, space }) }, name),
    ),
    numberCell("Samples", count(spaceSamples)),
    numberCell(
      "LPNet error",
      lpnet ? h("a", { href: url("/report", { target: name }) }, text) : unknown("no LPNet yet"),
    ),
  );
}
