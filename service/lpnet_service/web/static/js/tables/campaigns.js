// Rows of the table of campaigns. Campaigns of single measurements share a row that unfolds.
import { spaceLabel } from "../lib/choices.js";
import { cell, h, numberCell } from "../lib/dom.js";
import { ago, count, duration, plural, significant, unknown } from "../lib/format.js";
import { url } from "../lib/url.js";

// A pruning job measures its candidates one by one, each in a campaign of its own.
const MAX_SINGLE = 2;
const MIN_GROUP = 3;
// Beyond this share of disturbed samples a campaign is not shown in green.
const MAX_DISTURBED = 0.1;

/**
 * Campaigns in groups, in the order of the list: a group is a list with one campaign, or with
 * several that ended, follow each other, and measured a workload or two of a space on a target.
 */
export function grouped(campaigns) {
  const groups = [];
  for (const campaign of campaigns) {
    const group = groups.at(-1);
    if (group && isSingle(campaign) && isSingle(group[0]) && isAlike(campaign, group[0])) {
      group.push(campaign);
    } else groups.push([campaign]);
  }
  return groups.flatMap((group) =>
    group.length < MIN_GROUP ? group.map((campaign) => [campaign]) : [group]
  );
}

function isSingle({ total, state }) {
  return total <= MAX_SINGLE && state !== "running";
}

function isAlike(campaign, other) {
  return campaign.target === other.target && campaign.space === other.space;
}

/**
 * The row of a campaign. `failures` and `cancel` make the content of its last two cells. `inGroup`:
 * it belongs to the group above.
 */
export function campaignRow(campaign, { spaces, failures, cancel, inGroup = false }) {
  const isRunning = campaign.state === "running";
  return h(
    "tr",
    { class: inGroup && "in-group" },
    campaignCells(campaign, spaces),
    cell("Failures", failures(campaign)),
    h("td", {}, isRunning && cancel(campaign)),
  );
}

/** The cells of a campaign up to its end. */
export function campaignCells(campaign, spaces) {
  const { id, target, space, state, pace_reason: paceReason } = campaign;
  const pace = campaign.samples_per_minute;
  return [
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: url("/table", { target, space }) }, spaceLabel(space, spaces)),
      ` on ${target}`,
      h(
        "div",
        { class: "small soft" },
        ago(campaign.created_at),
        " · ",
        h("span", { class: "code" }, id),
        " · ",
        h("a", { href: url("/space", { space }) }, "about the space"),
      ),
    ),
    cell("State", stateText(campaign)),
    cell("Good samples", progressText([campaign])),
    numberCell("Samples per minute", pace === null ? unknown(paceReason) : significant(pace)),
    cell(
      "End",
      state === "running" ? timeLeft(campaign) : ago(campaign.finished_at, "not recorded"),
    ),
  ];
}

/** The row of a group of single measurements, with a button that unfolds or folds it. */
export function groupRow(group, { spaces, isOpen, onToggle }) {
  const { target, space } = group[0];
  const newest = group[0];
  const failed = group.filter(({ state }) => state !== "done").length;
  const button = h(
    "button",
    { type: "button", class: "quiet small", "aria-expanded": String(isOpen), onclick: onToggle },
    isOpen ? "Hide" : "Show",
  );
  return h(
    "tr",
    {},
    h(
      "td",
      { class: "lead-cell" },
      h("a", { href: url("/table", { target, space }) }, spaceLabel(space, spaces)),
      ` on ${target}`,
      h(
        "div",
        { class: "small soft" },
        `${plural(group.length, "campaign")} of one or two workloads, as pruning jobs start them`,
      ),
    ),
    cell(
      "State",
      h("span", { class: `state ${failed ? "paused" : "idle"}` }, failed ? "ended" : "done"),
      failed > 0 && h("div", { class: "small soft" }, `${count(failed)} not done`),
    ),
    cell("Good samples", progressText(group)),
    numberCell("Samples per minute", unknown("these campaigns are single measurements")),
    cell("End", ago(newest.finished_at, "not recorded")),
    cell("Failures", h("span", { class: "soft" }, failed ? count(failed) : "none")),
    h("td", {}, button),
  );
}

function stateText(campaign) {
  const { state, waiting, measured, disturbed } = campaign;
  const detail = waiting ??
    (disturbed > MAX_DISTURBED * measured &&
      `${count(disturbed)} of ${plural(measured, "sample")} disturbed`);
  return [
    h("span", { class: `state ${stateClass(campaign)}` }, state),
    detail && h("div", { class: "small soft" }, detail),
  ];
}

// Campaigns show their states as targets do. Green is for campaigns with good samples.
function stateClass({ state, waiting, measured, disturbed }) {
  if (state === "running") return waiting ? "paused" : "measuring";
  if (state === "done" && disturbed > MAX_DISTURBED * measured) return "paused";
  return { done: "idle", failed: "broken", cancelled: "offline" }[state];
}

function progressText(group) {
  const sum = (name) => group.reduce((total, campaign) => total + campaign[name], 0);
  const [total, disturbed] = [sum("total"), sum("disturbed")];
  const good = sum("measured") - disturbed;
  const { target, space } = group[0];
  const reasons = url("/table", { target, space, disturbed: "true" });
  return h(
    "div",
    { class: "num" },
    h("progress", { max: 1, value: total ? good / total : 0, "aria-label": "good samples" }),
    ` ${count(good)} of ${count(total)} good`,
    disturbed > 0 &&
      h(
        "div",
        { class: "small" },
        h("a", { class: "warn", href: reasons }, `${count(disturbed)} disturbed`),
      ),
  );
}

function timeLeft({ seconds_left: seconds, seconds_left_reason: reason }) {
  return seconds === null ? unknown(reason) : ["in ", duration(seconds)];
}
