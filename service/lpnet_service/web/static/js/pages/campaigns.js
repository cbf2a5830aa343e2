// Campaigns: their progress and failures, and starting or cancelling one.
import { getItems, LatestRequest, post } from "../lib/api.js";
import { fillSelect, loadSpaces, loadTargets, NO_SPACE, spaceOptions } from "../lib/choices.js";
import { byId, fill, h } from "../lib/dom.js";
import { count, sentences, significant } from "../lib/format.js";
import { messageOf } from "../lib/notice.js";
import { poll, showError, start } from "../lib/page.js";
import { addCsvButton, pickFields } from "../lib/save.js";
import { readState, writeState } from "../lib/url.js";
import { campaignRow, grouped, groupRow } from "../tables/campaigns.js";

const DEFAULTS = { target: "", state: "" };
const STATES = ["running", "done", "failed", "cancelled"];
const POLL_S = 3;
const PAGE = 50;
const FORM_NUMBERS = ["blocks", "networks", "pruned", "repeats", "batch"];

const filter = readState(DEFAULTS);
let spaces = [];
let campaigns = [];
let limit = PAGE;
const opened = new Set(); // ids of campaigns whose failures are unfolded
const unfolded = new Set(); // ids of the oldest campaigns of groups that are unfolded
const estimates = new LatestRequest();

start(async () => {
  const [targets, loadedSpaces] = await Promise.all([loadTargets(), loadSpaces()]);
  spaces = loadedSpaces;
  const names = targets.map(({ name }) => name);
  filter.target = fillSelect("target-filter", names, filter.target, "any target", "target");
  filter.state = fillSelect("state", STATES, filter.state, "any state", "state");
  startForm(targets.filter(({ source }) => source === "agent"));
  byId("target-filter").addEventListener("change", ({ target: field }) => {
    changeFilter({ target: field.value });
  });
  byId("state").addEventListener("change", ({ target: field }) => {
    changeFilter({ state: field.value });
  });
  byId("more").addEventListener("click", () => {
    limit += PAGE;
    load();
  });
  addCsvButton("csv", "campaigns", csvCampaigns);
  await poll(load, POLL_S);
});

function changeFilter(change) {
  Object.assign(filter, change);
  limit = PAGE;
  writeState(filter, DEFAULTS);
  load();
}

async function load() {
  const { items, next } = await getItems("/v1/campaigns", { ...filter, limit: PAGE }, limit);
  campaigns = items;
  const isEmpty = items.length === 0 && !filter.target && !filter.state;
  byId("loading").hidden = true;
  byId("empty").hidden = !isEmpty;
  byId("content").hidden = isEmpty;
  byId("more").hidden = !next;
  showRows();
}

function csvCampaigns() {
  const columns = [
    "id",
    "target",
    "space",
    "state",
    "waiting",
    "total",
    "measured",
    "disturbed",
    "failed",
    "samples_per_minute",
    "seconds_left",
    "created_at",
    "finished_at",
  ];
  const rows = campaigns.map((campaign) => [
    ...pickFields(columns, campaign),
    campaign.failures.join("; "),
  ]);
  return [[...columns, "failures"], ...rows];
}

function showRows() {
  const context = { spaces, failures: failureList, cancel: cancelButton };
  const rows = grouped(campaigns).flatMap((group) => {
    if (group.length === 1) return [campaignRow(group[0], context)];
    const { id } = group.at(-1);
    const isOpen = unfolded.has(id);
    const onToggle = () => {
      if (isOpen) unfolded.delete(id);
      else unfolded.add(id);
      showRows();
    };
    const members = isOpen ? group : [];
    return [
      groupRow(group, { spaces, isOpen, onToggle }),
      ...members.map((campaign) => campaignRow(campaign, { ...context, inGroup: true })),
    ];
  });
  const noMatch = h("td", { colspan: 7, class: "soft" }, "No campaign matches.");
  fill(byId("rows"), rows.length ? rows : h("tr", {}, noMatch));
}

function failureList({ id, failed, failures }) {
  if (!failures.length) return h("span", { class: "soft" }, "none");
  const list = h(
    "details",
    { open: opened.has(id) },
    h("summary", {}, failed ? count(failed) : "why"),
    h("ul", { class: "small" }, failures.map((failure) => h("li", {}, failure))),
  );
  list.addEventListener("toggle", () => (list.open ? opened.add(id) : opened.delete(id)));
  return list;
}

function cancelButton(campaign) {
  const button = h("button", { type: "button", class: "quiet small" }, "Cancel");
  button.addEventListener("click", () => cancel(campaign, button));
  return button;
}

async function cancel(campaign, button) {
  const question = `Cancel this campaign on ${campaign.target}? Its samples so far are kept.`;
  if (!confirm(question)) return;
  button.disabled = true;
  try {
    await post(`/v1/campaigns/${campaign.id}/cancel`);
    await load();
  } catch (error) {
    showError(error);
  }
}

function startForm(targets) {
  const options = targets.map(({ name, state }) => {
    const isReady = state === "idle" || state === "measuring";
    return { value: name, label: isReady ? name : `${name} (${state})` };
  });
  fillSelect("target", options, filter.target);
  fillSelect("space", spaceOptions(spaces));
  byId("form").addEventListener("submit", startCampaign);
  if (targets.length && spaces.length) {
    byId("form").addEventListener("input", showEstimate);
    byId("new").addEventListener("toggle", () => byId("new").open && showEstimate());
  } else {
    byId("start").disabled = true;
    byId("estimate").textContent = targets.length
      ? NO_SPACE
      : "No target has an agent yet. The Devices page shows how to start one.";
  }
}

function formValues() {
  const numbers = FORM_NUMBERS.map((name) => [name, Number(byId(name).value)]);
  return {
    target: byId("target").value,
    space: byId("space").value,
    ...Object.fromEntries(numbers),
  };
}

async function showEstimate() {
  try {
    const estimate = await estimates.post("/v1/campaigns:estimate", formValues());
    if (!estimate) return;
    const { samples, time, judging, start } = estimate;
    const effort = time.minutes === null
      ? time.source
      : `about ${significant(time.minutes, 2)} minutes of measuring`;
    showFormError("");
    byId("estimate").textContent = sentences([
      `${count(samples)} samples, ${effort}`,
      judging.detail,
      start.detail,
    ]);
  } catch (error) {
    showFormError(messageOf(error));
  }
}

async function startCampaign(event) {
  event.preventDefault();
  const button = byId("start");
  button.disabled = true;
  try {
    await post("/v1/campaigns", formValues());
    showFormError("");
    byId("new").open = false;
    await load();
  } catch (error) {
    showFormError(messageOf(error));
  } finally {
    button.disabled = false;
  }
}

function showFormError(message) {
  if (message) byId("estimate").textContent = "";
  byId("form-error").textContent = message;
  byId("form-error").hidden = !message;
}
