// What if: widths under the fingers, and what they cost on a target.
import { read, write } from "../lib/address.js";
import { ApiError, get, post } from "../lib/api.js";
import { byId, command, fill, h } from "../lib/dom.js";
import { count, digits, ms, msText, percent, short } from "../lib/format.js";
import { start } from "../lib/page.js";
import { choices, spaceLabel, spaces, targets } from "../lib/pick.js";
import { saveCsv } from "../lib/save.js";

const USUAL = { target: "", space: "", batch: 1, w: [] };
const PRESETS = [100, 75, 50, 25];
const COVERAGE = 0.9;

const asked = read(USUAL);
let space = null; // {hash, name, widths, blocks}
let widths = new Map(); // name -> channels
let answer = null; // the latest prediction, for CSV
let running = null;

start(async () => {
  const [all, held] = await Promise.all([targets({ trained: true }), spaces()]);
  byId("wait").hidden = true;
  if (!all.length || !held.length) {
    cannot(all.length ? "The service has no space yet: lpnet profile TARGET resnet20 uploads one." : "No target has an LPNet yet: lpnet profile TARGET SPACE measures and trains one.");
    return;
  }
  asked.target = choices("target", all.map(({ name }) => ({ value: name, label: name })), asked.target || all[0].name);
  asked.space = choices("space", held.map((one) => ({ value: one.hash, label: spaceLabel(one, held) })), asked.space || held[0].hash);
  byId("batch").value = asked.batch;
  byId("target").addEventListener("change", (event) => change({ target: event.target.value }));
  byId("space").addEventListener("change", (event) => choose(held, event.target.value, []));
  byId("batch").addEventListener("change", (event) => change({ batch: Number(event.target.value) }));
  fill(byId("presets"), PRESETS.map((share) => h("button", { type: "button", class: "quiet small", onclick: () => scale(share) }, share === 100 ? "dense" : `${share}%`)));
  byId("all").addEventListener("input", (event) => scale(Number(event.target.value)));
  byId("paste").addEventListener("submit", pasted);
  byId("csv").addEventListener("click", saved);
  await choose(held, asked.space, asked.w);
});

function change(part) {
  Object.assign(asked, part);
  return predict();
}

function choose(held, hash, kept) {
  space = held.find((one) => one.hash === hash);
  widths = new Map(space.widths.map(({ name, max }) => [name, max]));
  for (const text of kept) {
    const cut = text.lastIndexOf(":");
    const width = space.widths.find(({ name }) => name === text.slice(0, cut));
    if (width) widths.set(width.name, legal(width, Number(text.slice(cut + 1))));
  }
  fill(byId("widths"), space.widths.map(slider));
  return change({ space: hash });
}

function legal({ max, granule }, value) {
  const rounded = Math.round((Number.isFinite(value) ? value : max) / granule) * granule;
  return Math.min(max, Math.max(granule, rounded));
}

function slider(width, index) {
  const { name, max, granule } = width;
  const id = `width-${index}`;
  const common = { min: granule, max, step: granule, value: widths.get(name), "data-width": name };
  const range = h("input", { type: "range", id, ...common });
  const number = h("input", { type: "number", "aria-label": `${name}, channels`, ...common });
  const moved = (event) => {
    if (event.target.value === "") return;
    set(name, legal(width, Number(event.target.value)), event.type === "input" && event.target === number ? number : null);
    predict();
  };
  range.addEventListener("input", moved);
  number.addEventListener("input", moved);
  number.addEventListener("change", () => (number.value = widths.get(name)));
  return h("div", { class: "width" }, h("label", { for: id }, name, h("span", {}, `of ${max}`)), range, number);
}

// `typing`: the field that is being typed in, which must not be written over.
function set(name, value, typing = null) {
  widths.set(name, value);
  for (const input of document.querySelectorAll(`input[data-width="${CSS.escape(name)}"]`)) {
    if (input !== typing) input.value = value;
  }
}

function scale(share) {
  byId("all").value = share;
  for (const width of space.widths) set(width.name, legal(width, (width.max * share) / 100));
  predict();
}

function pasted(submit) {
  submit.preventDefault();
  const unread = byId("unread");
  unread.hidden = true;
  try {
    const found = JSON.parse(byId("json").value);
    const named = Array.isArray(found) ? listed(found) : found;
    if (typeof named !== "object" || named === null) throw new Error("neither an object nor a list");
    for (const [name, value] of Object.entries(named)) {
      const width = space.widths.find((one) => one.name === name);
      if (!width) throw new Error(`${name}: the space has no such width`);
      if (!Number.isInteger(value) || legal(width, value) !== value) throw new Error(`${name}: ${value} is not a multiple of ${width.granule} from ${width.granule} to ${width.max}`);
    }
    for (const [name, value] of Object.entries(named)) set(name, value);
    predict();
  } catch (error) {
    unread.hidden = false;
    unread.textContent = error.message;
  }
}

function listed(values) {
  if (values.length !== space.widths.length) throw new Error(`${values.length} numbers, and the space has ${space.widths.length} widths`);
  return Object.fromEntries(space.widths.map(({ name }, index) => [name, values[index]]));
}

async function predict() {
  asked.w = space.widths.filter(({ name, max }) => widths.get(name) !== max).map(({ name }) => `${name}:${widths.get(name)}`);
  write(asked, USUAL);
  running?.abort();
  running = new AbortController();
  byId("ms").classList.add("stale");
  const now = Object.fromEntries(widths);
  const dense = Object.fromEntries(space.widths.map(({ name, max }) => [name, max]));
  try {
    const found = await post("/v1/predictions", { target: asked.target, space: asked.space, widths: [now, dense], batch: asked.batch, coverage: COVERAGE, breakdown: true }, { signal: running.signal });
    byId("cannot").hidden = true;
    byId("bench").hidden = false;
    show(found.predictions[0], found.predictions[1], found.dense);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ApiError)) throw error;
    byId("bench").hidden = error.code === "not_covered";
    cannot(error.message);
  }
}

function show(now, full, dense) {
  answer = now;
  const { parts, macs, params } = now.breakdown;
  byId("ms").classList.remove("stale");
  fill(byId("ms"), ms(now.latency_ms));
  byId("interval").textContent = `${COVERAGE * 100} of 100 measurements lie within ${msText(now.low_ms)} and ${msText(now.high_ms)}`;
  const memory = byId("memory");
  memory.hidden = !now.memory || now.memory.verdict === "fits";
  if (now.memory) memory.textContent = `In memory: ${now.memory.verdict}; it needs about ${digits(now.memory.need_mib)} MiB.`;
  const figures = [
    ["Of dense", [percent((100 * now.latency_ms) / dense.latency_ms), " ", h("small", {}, `dense takes ${msText(dense.latency_ms)}`)]],
    ["MACs", [short(macs), " ", h("small", {}, `${digits((100 * macs) / dense.macs)} % of dense`)]],
    ["Parameters", [short(params), " ", h("small", {}, `${digits((100 * params) / dense.params)} % of dense`)]],
    ["Inferences a second", [digits(1000 / now.latency_ms), " ", h("small", {}, "one after another")]],
  ];
  fill(byId("figures"), figures.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const largest = Math.max(...parts.map((part) => part.latency_ms));
  fill(byId("parts"), parts.map((part, index) => share(part, full.breakdown.parts[index], largest)));
  elsewhere();
}

function share(part, whole, largest) {
  return h(
    "tr",
    {},
    h("td", { class: "code" }, called(part)),
    h("td", { class: "num" }, ms(part.latency_ms)),
    h("td", {}, h("div", { class: "share" }, h("progress", { max: largest, value: Math.max(0, part.latency_ms), "aria-hidden": "true" }), h("span", { class: "num" }, percent(part.share * 100)))),
    h("td", { class: "num" }, whole && whole.latency_ms > 0 ? percent((100 * part.latency_ms) / whole.latency_ms) : ""),
    h("td", { class: "num" }, part.kind === "block" ? short(part.macs) : ""),
  );
}

function called({ kind, name }) {
  return name ?? { edges: "input and output", call: "the call itself" }[kind];
}

function saved() {
  const rows = answer.breakdown.parts.map((part) => [called(part), part.latency_ms, part.share, part.macs, part.params]);
  saveCsv(`${asked.target}-${space.name}-breakdown.csv`, [["block", "latency_ms", "share", "macs", "params"], ...rows]);
}

function elsewhere() {
  const chosen = JSON.stringify(Object.fromEntries(widths));
  const python = `import lpnet\n\nclient = lpnet.Client("${location.origin}")\nwidths = ${chosen}\nspace = client.space("${asked.space}")${asked.batch === 1 ? "" : `.at(batch=${asked.batch})`}\nclient.predict("${asked.target}", space, widths)`;
  const body = JSON.stringify({ target: asked.target, space: asked.space, widths: [Object.fromEntries(widths)], batch: asked.batch });
  const curl = `curl -s ${location.origin}/v1/predictions -H 'Content-Type: application/json' -H "Authorization: Bearer $LPNET_TOKEN" -d '${body}'`;
  fill(byId("python"), command(python));
  fill(byId("curl"), command(curl));
}

function cannot(words) {
  byId("cannot").hidden = false;
  byId("cannot").textContent = words;
}
