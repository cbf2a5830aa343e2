// Pareto: what pruning jobs reached, accuracy against latency.
import { read, write } from "../lib/address.js";
import { address, get } from "../lib/api.js";
import { axis, chart, colour, legend, series, tooltip } from "../lib/chart.js";
import { byId, command, fill, h } from "../lib/dom.js";
import { ago, digits, ms, msText, percent, short } from "../lib/format.js";
import { start } from "../lib/page.js";
import { choices, spaceLabel, spaces } from "../lib/pick.js";
import { savesCsv } from "../lib/save.js";

const USUAL = { target: "", space: "" };
const MOST = 1000;

const asked = read(USUAL);
let results = [];
let held = [];
let plot = null;

start(async () => {
  [results, held] = await Promise.all([everything(), spaces()]);
  byId("wait").hidden = true;
  byId("first").hidden = results.length > 0;
  if (!results.length) {
    fill(byId("commands"), command("lpnet prune --method wgates --model resnet20 --data digits --target TARGET --budget 60%"));
    return;
  }
  byId("form").hidden = false;
  byId("found").hidden = false;
  asked.target = choices("target", named(results.map((one) => one.target)), asked.target);
  savesCsv("csv", "prunings", () => table(asked_for()));
  plot = await chart("front", "accuracy-latency");
  byId("form").addEventListener("change", (event) => {
    asked[event.target.id] = event.target.value;
    if (event.target.id === "target") asked.space = "";
    show();
  });
  show();
});

async function everything() {
  let items = [];
  let after = null;
  do {
    const page = await get("/v1/prunings", { after, limit: 200 });
    items = items.concat(page.items);
    after = page.next;
  } while (after && items.length < MOST);
  return items;
}

function named(values) {
  return [...new Set(values)].sort().map((value) => ({ value, label: value }));
}

function label(hash) {
  const space = held.find((one) => one.hash === hash);
  return space ? spaceLabel(space, held) : hash.slice(0, 12);
}

function asked_for() {
  return results.filter((one) => one.target === asked.target && one.space === asked.space);
}

function show() {
  const there = results.filter((one) => one.target === asked.target);
  asked.space = choices("space", [...new Set(there.map((one) => one.space))].map((hash) => ({ value: hash, label: label(hash) })), asked.space);
  write(asked, USUAL);
  const shown = there.filter((one) => one.space === asked.space && one.accuracy_after !== null);
  const methods = [...new Set(shown.map((one) => one.method))].sort();
  const dense = shown.find((one) => one.dense_ms !== null && one.accuracy_before !== null);
  const metric = shown[0]?.metric ?? "accuracy";
  plot.draw(() => option(shown, methods, dense, metric), `${metric} against latency of ${label(asked.space)} on ${asked.target}: ${shown.length} ${shown.length === 1 ? "result" : "results"} of ${methods.join(", ")}`, table(shown));
  byId("rows").replaceChildren(...asked_for().map(row));
}

function latency(one) {
  return one.measured_ms ?? one.predicted_ms;
}

// Those that no other beats in both; joined by a line that falls where accuracy does.
function front(shown) {
  const sorted = [...shown].sort((a, b) => latency(a) - latency(b) || b.accuracy_after - a.accuracy_after);
  let best = -Infinity;
  return sorted.filter((one) => {
    if (one.accuracy_after <= best) return false;
    best = one.accuracy_after;
    return true;
  });
}

function option(shown, methods, dense, metric) {
  const unbeaten = front(shown).map((one) => [latency(one), 100 * one.accuracy_after]);
  return {
    legend: legend({ data: methods }),
    tooltip: tooltip(({ data }) => (data.one ? words(data.one) : "dense"), { trigger: "item" }),
    xAxis: axis("milliseconds", { type: "value", min: 0 }),
    yAxis: axis(`${metric}, %`, { type: "value", vertical: true, min: ({ min, max }) => Math.max(0, Math.floor(min - room(min, max))), max: ({ min, max }) => Math.min(100, Math.ceil(max + room(min, max))) }),
    series: [
      { type: "line", step: "end", silent: true, showSymbol: false, lineStyle: { color: colour("--line-strong"), type: "dashed", width: 1.5 }, data: unbeaten },
      ...methods.map((method, index) => ({
        name: method,
        type: "scatter",
        symbolSize: 12,
        itemStyle: { color: series(index) },
        data: shown.filter((one) => one.method === method).map((one) => ({
          value: [latency(one), 100 * one.accuracy_after],
          one,
          itemStyle: one.measured_ms === null ? { color: colour("--surface"), borderColor: series(index), borderWidth: 2 } : undefined,
        })),
      })),
      ...(dense ? [{ name: "dense", type: "scatter", symbol: "triangle", symbolSize: 12, itemStyle: { color: colour("--ink-2") }, data: [[dense.dense_ms, 100 * dense.accuracy_before]], label: { show: true, position: "right", formatter: "dense", color: colour("--ink-2") } }] : []),
    ],
  };
}

// So much that a tenth of a point does not look like a cliff.
function room(min, max) {
  return Math.max(0.5, 0.2 * (max - min));
}

function words(one) {
  return [one.method, `${digits(100 * one.accuracy_after)}% (${digits(100 * one.accuracy_before)}% before)`, one.measured_ms === null ? `${msText(one.predicted_ms)} predicted, not measured` : `${msText(one.measured_ms)} measured, ${msText(one.predicted_ms)} predicted`, `${msText(one.budget_ms)} asked`].join("\n");
}

function row(one) {
  const accuracy = (value) => (value === null ? percent(null, { reason: "not judged" }) : percent(100 * value, { decimals: 2 }));
  return h(
    "tr",
    {},
    h("td", { class: "lead-cell" }, h("a", { href: address("/what-if", { target: one.target, space: one.space, batch: one.batch, w: Object.entries(one.widths).map(([name, value]) => `${name}:${value}`) }) }, `${one.method}, ${one.model}`), h("div", { class: "small soft" }, `${one.data}, seed ${one.seed}, candidate ${one.round}${one.chosen ? ", chosen" : ""}`)),
    h("td", { class: "num", "data-label": "Accuracy" }, h("span", {}, accuracy(one.accuracy_after))),
    h("td", { class: "num", "data-label": "Before" }, h("span", {}, accuracy(one.accuracy_before))),
    h("td", { class: "num", "data-label": "Measured" }, h("span", {}, ms(one.measured_ms, "not measured"))),
    h("td", { class: "num", "data-label": "Predicted" }, h("span", {}, ms(one.predicted_ms))),
    h("td", { class: "num", "data-label": "Budget" }, h("span", {}, ms(one.budget_ms))),
    h("td", { class: "num", "data-label": "MACs" }, h("span", {}, short(one.macs_after))),
    h("td", { "data-label": "When" }, ago(one.created_at)),
  );
}

function table(shown) {
  const names = ["method", "model", "data", "seed", "chosen", "target", "space", "budget_ms", "dense_ms", "predicted_ms", "measured_ms", "accuracy_before", "accuracy_after", "macs_before", "macs_after", "created_at"];
  return [names, ...shown.map((one) => names.map((name) => one[name]))];
}
