// What was measured of a network: a result of a pruning job, or a sample of the latency table.
import { ApiError, get } from "./api.js";
import { h } from "./dom.js";
import { ago, ms, percent } from "./format.js";
import { showGone } from "./gone.js";
import { url } from "./url.js";

/**
 * What the ids in `state` name: {target, space, batch, widths, latencyMs, at, source, href}; null
 * if they name nothing, or what is not here any more.
 */
export async function findMeasurement({ target, pruning, sample }) {
  try {
    if (pruning) return ofPruning(await get(`/v1/prunings/${encodeURIComponent(pruning)}`));
    if (sample) return await ofSample(target, sample);
  } catch (error) {
    // An id that is malformed names nothing either.
    if (!(error instanceof ApiError) || ![404, 422].includes(error.status)) throw error;
    showGone(`There is no pruning result “${pruning}” here.`);
  }
  return null;
}

function ofPruning(result) {
  const { target, space, batch, widths, job, method } = result;
  return {
    ...{ target, space, batch, widths },
    latencyMs: result.measured_ms,
    at: result.created_at,
    source: `${method} job`,
    href: url("/job", { job }),
  };
}

async function ofSample(target, id) {
  const { items } = await get(`/v1/targets/${encodeURIComponent(target)}/table`, { search: id });
  const row = items.find((item) => item.id === id);
  if (!row?.workload.widths) {
    showGone(`There is no sample “${id}” here.`);
    return null;
  }
  const { space, batch, widths } = row.workload;
  return {
    ...{ target, space, batch, widths },
    latencyMs: row.latency_ms,
    at: row.measured_at,
    source: row.disturbed ? "disturbed sample" : "sample",
    href: url("/table", { target, search: id, sample: id }),
  };
}

/** "3.28 ms measured (sample, 2 days ago), predicted 1.2% higher". */
export function measurementText({ latencyMs, at, source, href }, predictedMs) {
  const link = h("a", { href }, source);
  if (latencyMs === null) return ["These widths were not measured (", link, ")."];
  const error = 100 * (predictedMs / latencyMs - 1);
  return [
    h("strong", { class: "num" }, ms(latencyMs)),
    " measured (",
    link,
    at && [", ", ago(at)],
    "). The prediction is off by ",
    percent(error, { sign: true }),
    ".",
  ];
}
