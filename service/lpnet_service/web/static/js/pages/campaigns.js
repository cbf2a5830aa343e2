// Campaigns: how far are they, what failed, and starting or cancelling one.
import { read, write } from "../lib/address.js";
import { ApiError, address, get, post } from "../lib/api.js";
import { byId, fill, h } from "../lib/dom.js";
import { ago, count, dash, digits, duration } from "../lib/format.js";
import { failed, live, start } from "../lib/page.js";
import { choices, spaceLabel, spaces, targets } from "../lib/pick.js";
import { savesCsv } from "../lib/save.js";

const USUAL = { target: "", state: "" };
const STATES = ["running", "done", "failed", "cancelled"];
const EVERY_S = 3;
const FORM = ["blocks", "networks", "pruned", "repeats", "batch"];

let asked = read(USUAL);
let known = [];
let seen = [];
let pages = 1;
const opened = new Set();

start(async () => {
  const [all, held] = await Promise.all([targets(), spaces()]);
  known = held;
  const names = all.map(({ name }) => ({ value: name, label: name }));
  choices("of", names, asked.target, "every target");
  choices("state", STATES.map((state) => ({ value: state, label: state })), asked.state, "any state");
  form(all.filter((target) => target.source === "agent"), held);
  byId("of").addEventListener("change", (event) => change({ target: event.target.value }));
  byId("state").addEventListener("change", (event) => change({ state: event.target.value }));
  byId("more").addEventListener("click", () => {
    pages += 1;
    look();
  });
  savesCsv("csv", "campaigns", () => {
    const names = ["id", "target", "space", "state", "waiting", "total", "measured", "disturbed", "failed", "samples_per_minute", "seconds_left", "created_at", "finished_at"];
    return [[...names, "failures"], ...seen.map((one) => [...names.map((name) => one[name]), one.failures.join("; ")])];
  });
  await live(look, EVERY_S);
});

function change(part) {
  asked = { ...asked, ...part };
  pages = 1;
  write(asked, USUAL);
  look();
}

async function look() {
  let items = [];
  let after = null;
  for (let n = 0; n < pages; n += 1) {
    const page = await get("/v1/campaigns", { ...asked, after, limit: 50 });
    items = items.concat(page.items);
    after = page.next;
    if (!after) break;
  }
  seen = items;
  byId("wait").hidden = true;
  const filtered = Boolean(asked.target || asked.state);
  byId("first").hidden = items.length > 0 || filtered;
  byId("some").hidden = items.length === 0 && !filtered;
  byId("more").hidden = !after;
  byId("rows").replaceChildren(...(items.length ? items.map(row) : [h("tr", {}, h("td", { colspan: 7, class: "soft" }, "No campaign is like that."))]));
}

function row(campaign) {
  const space = known.find(({ hash }) => hash === campaign.space);
  const share = campaign.total ? campaign.measured / campaign.total : 0;
  const running = campaign.state === "running";
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, h("a", { href: address("/table", { target: campaign.target, space: campaign.space }) }, space ? spaceLabel(space, known) : campaign.space.slice(0, 12)), " on ", campaign.target, h("div", { class: "small soft" }, ago(campaign.created_at), " · ", h("span", { class: "code" }, campaign.id))),
    h("td", { "data-label": "State" }, h("div", {}, h("span", { class: `state ${look_of(campaign)}` }, campaign.state), campaign.waiting && h("div", { class: "small soft" }, campaign.waiting))),
    h("td", { "data-label": "Measured" }, h("div", { class: "num" }, h("progress", { max: 1, value: share, "aria-label": "measured" }), ` ${count(campaign.measured)} of ${count(campaign.total)}`, campaign.disturbed > 0 && h("div", { class: "small warn" }, `${count(campaign.disturbed)} disturbed`))),
    h("td", { class: "num", "data-label": "Samples a minute" }, h("span", {}, campaign.samples_per_minute == null ? dash(campaign.pace_reason) : digits(campaign.samples_per_minute))),
    h("td", { "data-label": "Time left" }, h("span", {}, running ? duration(campaign.seconds_left, campaign.pace_reason || "unknown yet") : campaign.finished_at ? ["ended ", ago(campaign.finished_at)] : "")),
    h("td", { "data-label": "Failures" }, failures(campaign)),
    h("td", {}, running && h("button", { type: "button", class: "quiet small", onclick: (event) => cancel(campaign, event.target) }, "Cancel")),
  );
}

function look_of({ state, waiting }) {
  if (state === "running") return waiting ? "paused" : "measuring";
  return { done: "idle", failed: "broken", cancelled: "offline" }[state];
}

function failures(campaign) {
  if (!campaign.failed) return h("span", { class: "soft" }, "none");
  const list = h("details", { open: opened.has(campaign.id) }, h("summary", {}, count(campaign.failed)), h("ul", { class: "small" }, campaign.failures.map((line) => h("li", {}, line))));
  list.addEventListener("toggle", () => (list.open ? opened.add(campaign.id) : opened.delete(campaign.id)));
  return list;
}

async function cancel(campaign, button) {
  if (!confirm(`Cancel this campaign on ${campaign.target}? What was measured stays.`)) return;
  button.disabled = true;
  try {
    await post(`/v1/campaigns/${campaign.id}/cancel`);
    await look();
  } catch (error) {
    failed(error);
  }
}

function form(measurable, held) {
  choices("target", measurable.map(({ name, state }) => ({ value: name, label: state === "idle" || state === "measuring" ? name : `${name} (${state})` })), asked.target);
  choices("space", held.map((space) => ({ value: space.hash, label: spaceLabel(space, held) })), held[0]?.hash);
  const possible = measurable.length > 0 && held.length > 0;
  byId("begin").disabled = !possible;
  if (!possible) byId("estimate").textContent = measurable.length ? "No space was uploaded yet: lpnet profile TARGET resnet20 uploads one." : "No target has an agent yet.";
  else byId("form").addEventListener("input", estimate);
  byId("new").addEventListener("toggle", () => possible && byId("new").open && estimate());
  byId("form").addEventListener("submit", begin);
}

function wanted() {
  const numbers = Object.fromEntries(FORM.map((name) => [name, Number(byId(name).value)]));
  return { target: byId("target").value, space: byId("space").value, ...numbers };
}

let running = null;

async function estimate() {
  running?.abort();
  running = new AbortController();
  const place = byId("estimate");
  try {
    const found = await post("/v1/campaigns:estimate", wanted(), { signal: running.signal });
    byId("refused").hidden = true;
    const minutes = found.time.minutes === null ? found.time.source : `about ${digits(found.time.minutes, 2)} minutes of measuring`;
    place.textContent = `${count(found.samples)} samples, ${minutes}. ${found.judging.detail} ${found.start.detail}`;
  } catch (error) {
    if (error.name !== "AbortError") refuse(error);
  }
}

async function begin(submit) {
  submit.preventDefault();
  const button = byId("begin");
  button.disabled = true;
  try {
    await post("/v1/campaigns", wanted());
    byId("refused").hidden = true;
    byId("new").open = false;
    await look();
  } catch (error) {
    refuse(error);
  } finally {
    button.disabled = false;
  }
}

function refuse(error) {
  if (!(error instanceof ApiError)) throw error;
  byId("estimate").textContent = "";
  byId("refused").hidden = false;
  byId("refused").textContent = error.message;
}
