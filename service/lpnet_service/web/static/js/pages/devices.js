// Devices: what do we have, and is it healthy?
import { read, write } from "../lib/address.js";
import { address, get } from "../lib/api.js";
import { byId, command, fill, h } from "../lib/dom.js";
import { ago, count, percent } from "../lib/format.js";
import { live, start } from "../lib/page.js";
import { savesCsv } from "../lib/save.js";

const USUAL = { search: "", state: "", runtime: "" };
const STATES = ["measuring", "idle", "paused", "broken", "offline", "imported"];
const EVERY_S = 5;

let devices = [];
let targets = [];
let asked = read(USUAL);

start(async () => {
  const search = byId("search");
  const state = byId("state");
  search.value = asked.search;
  search.addEventListener("input", () => change({ search: search.value }));
  state.addEventListener("change", () => change({ state: state.value }));
  byId("runtime").addEventListener("change", (event) => change({ runtime: event.target.value }));
  savesCsv("csv", "targets", rows);
  await live(async () => {
    const [d, t] = await Promise.all([get("/v1/devices"), get("/v1/targets")]);
    devices = d.items;
    targets = t.items;
    show();
  }, EVERY_S);
});

function change(part) {
  asked = { ...asked, ...part };
  write(asked, USUAL);
  show();
}

function show() {
  byId("wait").hidden = true;
  byId("first").hidden = targets.length > 0;
  byId("some").hidden = targets.length === 0;
  if (targets.length === 0) {
    first();
    return;
  }
  choices(byId("state"), "any state", STATES.filter((one) => targets.some((t) => t.state === one)), asked.state);
  choices(byId("runtime"), "any runtime", [...new Set(targets.map(runtime))].sort(), asked.runtime);
  summary();
  const shown = targets.filter(matches);
  const groups = devices.map((device) => [device, shown.filter((t) => t.device === device.name)]).filter(([, of]) => of.length);
  byId("rows").replaceChildren(...groups.flatMap(([device, of]) => [group(device), ...of.map(row)]));
  byId("none").hidden = shown.length > 0;
  byId("shown").textContent = shown.length === targets.length ? `${count(targets.length)} ${targets.length === 1 ? "target" : "targets"}` : `${count(shown.length)} of ${count(targets.length)} targets`;
}

// Those that are seen, as a file has them.
function rows() {
  const facts = ["name", "device", "state", "state_reason", "last_seen_at", "samples", "epoch", "noise_floor_pct", "lpnet", "network_mape_pct"];
  const spec = ["runtime", "runtime_version", "provider", "precision", "threads", "power_mode", "duty"];
  return [[...facts, ...spec], ...targets.filter(matches).map((target) => [...facts.map((name) => target[name]), ...spec.map((name) => target.spec[name])])];
}

function matches(target) {
  const device = devices.find((one) => one.name === target.device);
  const text = [target.name, target.device, target.state_reason, device?.facts.cpu, device?.facts.os, ...about(target.spec)].join(" ").toLowerCase();
  return (
    asked.search.toLowerCase().split(/\s+/).every((word) => text.includes(word)) &&
    (!asked.state || target.state === asked.state) &&
    (!asked.runtime || runtime(target) === asked.runtime)
  );
}

function runtime(target) {
  return target.spec.runtime || "unknown";
}

function summary() {
  const by = STATES.map((state) => [state, targets.filter((t) => t.state === state).length]).filter(([, n]) => n);
  const troubled = targets.filter((t) => t.state === "broken" || t.state === "offline").length;
  fill(
    byId("summary"),
    h("div", {}, h("dt", {}, "Devices"), h("dd", {}, count(devices.length))),
    h("div", {}, h("dt", {}, "Targets"), h("dd", {}, count(targets.length), " ", h("small", {}, by.map(([state, n]) => `${n} ${state}`).join(", ")))),
    h("div", {}, h("dt", {}, "Samples"), h("dd", {}, count(targets.reduce((sum, t) => sum + t.samples, 0)))),
    h("div", {}, h("dt", {}, "With an LPNet"), h("dd", {}, count(targets.filter((t) => t.lpnet).length))),
    troubled > 0 && h("div", {}, h("dt", {}, "Need a look"), h("dd", { class: "bad" }, count(troubled))),
  );
}

function group(device) {
  const { facts } = device;
  const words = [facts.cpu, facts.cores && `${facts.cores} cores`, facts.memory_mib && `${(facts.memory_mib / 1024).toFixed(0)} GiB`, facts.os, facts.virtual && "virtual"].filter(Boolean);
  const what = words.length ? words.join(" · ") : device.source === "imported" ? "only a table of it is known" : "nothing is known of it";
  return h("tr", { class: "group" }, h("th", { colspan: 7, scope: "rowgroup" }, h("strong", {}, device.name), " ", h("span", { class: "soft" }, what)));
}

function about(spec) {
  const version = spec.runtime && [spec.runtime, spec.runtime_version].filter(Boolean).join(" ");
  return [version, spec.provider, spec.precision, spec.threads && `${spec.threads} ${spec.threads === 1 ? "thread" : "threads"}`, spec.power_mode, spec.duty].filter(Boolean);
}

function row(target) {
  const table = address("/table", { target: target.name });
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, h("a", { href: table }, target.name), h("div", { class: "tags" }, about(target.spec).map((word) => h("span", { class: "tag" }, word)))),
    h("td", { "data-label": "State" }, h("div", {}, h("span", { class: `state ${target.state}` }, target.state), target.state_reason && h("div", { class: "small soft" }, target.state_reason))),
    h("td", { "data-label": "Last seen" }, ago(target.last_seen_at, "its agent never spoke: it was imported")),
    h("td", { class: "num", "data-label": "Noise floor" }, cell(percent(target.noise_floor_pct, { reason: target.noise_floor_reason }))),
    h("td", { class: "num", "data-label": "Samples" }, cell(count(target.samples))),
    h("td", { class: "num", "data-label": "LPNet error" }, target.lpnet ? h("a", { href: address("/report", { target: target.name }) }, percent(target.network_mape_pct, { reason: "no network was held out" })) : cell(percent(null, { reason: "no LPNet yet" }))),
    h("td", { "data-label": "Look at" }, h("span", { class: "tags" }, h("a", { href: table }, "table"), target.lpnet && h("a", { href: address("/curves", { target: target.name }) }, "curves"), target.lpnet && h("a", { href: address("/what-if", { target: target.name }) }, "what if"))),
  );
}

// At phone width a cell is a flex row of its label and one more element.
function cell(parts) {
  return h("span", {}, parts);
}

function choices(select, any, values, chosen) {
  const wanted = ["", ...values];
  if ([...select.options].map((option) => option.value).join("\n") !== wanted.join("\n")) {
    fill(select, wanted.map((value) => h("option", { value }, value || any)));
  }
  select.value = wanted.includes(chosen) ? chosen : "";
}

function first() {
  if (byId("first").childElementCount) return;
  const here = location.origin;
  fill(
    byId("first"),
    h("h2", {}, "No device yet"),
    h("p", { class: "lead" }, "A device is whatever your networks will run on. Three steps, and this page fills itself:"),
    h("h3", {}, "1. On the device: see what is wrong with it for measuring, then start its agent"),
    command("pip install 'lpnet[agent]' && lpnet-agent doctor"),
    command(`lpnet-agent run --server ${here}`),
    h("h3", {}, "2. Anywhere: have a network measured there, and its LPNet trained"),
    command(`export LPNET_URL=${here}\nlpnet targets\nlpnet profile TARGET mobilenet_v2`),
    h("h3", {}, "3. Or bring a table that you have"),
    command(`lpnet import --target my-phone samples.jsonl`),
    h("p", { class: "small soft" }, "A service that asks for tokens has one made for each agent: lpnet-service token create --name rack-3 --scope agent --device rack-3"),
  );
}
