// Overview: is the lab healthy, what is running, and what was pruned last?
import { get } from "../lib/api.js";
import { loadSpaces, loadTargets } from "../lib/choices.js";
import { byId, cell, fill, h } from "../lib/dom.js";
import { fillFigures } from "../lib/figures.js";
import { fillFirstSteps } from "../lib/first-steps.js";
import { ago, count, plural } from "../lib/format.js";
import { poll, start } from "../lib/page.js";
import { stateSummary, TROUBLED } from "../lib/states.js";
import { url } from "../lib/url.js";
import { campaignCells } from "../tables/campaigns.js";
import { jobRow, resultsByJob } from "../tables/jobs.js";

const POLL_S = 5;
const MAX_CAMPAIGNS = 20;
const MAX_RESULTS = 100;
const MAX_JOBS = 5;

start(() =>
  poll(async () => {
    const [targets, spaces, campaigns, prunings] = await Promise.all([
      loadTargets(),
      loadSpaces(),
      get("/v1/campaigns", { state: "running", limit: MAX_CAMPAIGNS }),
      get("/v1/prunings", { limit: MAX_RESULTS }),
    ]);
    byId("loading").hidden = true;
    byId("empty").hidden = targets.length > 0;
    byId("content").hidden = targets.length === 0;
    if (!targets.length) fillFirstSteps(byId("empty"));
    showHealth(targets);
    showRunning(campaigns.items, spaces);
    showPruned(resultsByJob(prunings.items).slice(0, MAX_JOBS), spaces);
  }, POLL_S)
);

function showHealth(targets) {
  const troubled = targets.filter(({ state }) => TROUBLED.includes(state));
  const measured = targets.filter(({ source }) => source === "agent");
  byId("verdict").textContent = troubled.length
    ? `${count(troubled.length)} of ${plural(targets.length, "target")} cannot measure.`
    : measured.length
    ? "All targets with an agent can measure."
    : "No target has an agent: all are imported.";
  const samples = targets.reduce((sum, target) => sum + target.samples, 0);
  fillFigures("summary", [
    ["devices", "Devices", count(new Set(targets.map(({ device }) => device)).size)],
    ["targets", "Targets", [count(targets.length), " ", h("small", {}, stateSummary(targets))]],
    ["all_samples", "Samples", count(samples)],
    ["trained_targets", "With an LPNet", count(targets.filter(({ lpnet }) => lpnet).length)],
  ]);
  byId("trouble").hidden = troubled.length === 0;
  fill(byId("troubled"), troubled.map(troubledRow));
}

function troubledRow({ name, device, state, state_reason: reason, state_since: since }) {
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, h("a", { href: url("/device", { device }) }, name)),
    cell(
      "State",
      h("span", { class: `state ${state}` }, state),
      reason && h("div", { class: "small soft" }, reason),
    ),
    cell("Since", ago(since, "not recorded")),
  );
}

function showRunning(campaigns, spaces) {
  byId("idle").hidden = campaigns.length > 0;
  byId("running").hidden = campaigns.length === 0;
  fill(
    byId("campaigns"),
    campaigns.map((campaign) => h("tr", {}, campaignCells(campaign, spaces))),
  );
}

function showPruned(jobs, spaces) {
  byId("no-pruning").hidden = jobs.length > 0;
  byId("pruned").hidden = jobs.length === 0;
  fill(byId("jobs"), jobs.map((job) => jobRow(job, spaces)));
}
