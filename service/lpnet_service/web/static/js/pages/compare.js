// Compare: the same workloads on several targets.
import { read, write } from "../lib/address.js";
import { ApiError, address, get } from "../lib/api.js";
import { byId, fill, h } from "../lib/dom.js";
import { count, digits, ms, percent } from "../lib/format.js";
import { start } from "../lib/page.js";
import { atMost, boxes, choices, targets } from "../lib/pick.js";
import { cell, remote } from "../lib/remote.js";
import { savesCsv } from "../lib/save.js";

const USUAL = { target: [], sort: "ratio", by: "" };
const MOST = 6;
const PAGE = 100;

const asked = read(USUAL);
let all = [];
let summary = null;
let table = null;

start(async () => {
  all = (await targets()).filter((target) => target.samples > 0);
  byId("wait").hidden = true;
  if (all.length < 2) {
    cannot("Comparing takes two targets with samples.");
    return;
  }
  byId("form").hidden = false;
  asked.target = asked.target.filter((name) => all.some((one) => one.name === name)).slice(0, MOST);
  for (const { name } of all) if (asked.target.length < 2 && !asked.target.includes(name)) asked.target.push(name);
  boxes("targets", all.map(({ name }) => name), asked.target);
  byId("form").addEventListener("submit", (submit) => submit.preventDefault());
  byId("form").addEventListener("change", changed);
  savesCsv("parts-csv", "compared-parts", parts);
  await show();
});

async function changed(event) {
  if (event.target.name === "target") {
    const { value, checked } = event.target;
    asked.target = checked ? [...asked.target, value] : asked.target.filter((name) => name !== value);
  } else {
    const first = event.target.value;
    asked.target = [first, ...asked.target.filter((name) => name !== first)];
  }
  asked.by = "";
  await show();
}

async function show() {
  write(asked, USUAL);
  atMost(MOST);
  choices("first", asked.target.map((name) => ({ value: name, label: name })), asked.target[0]);
  if (asked.target.length < 2) {
    cannot("Choose two targets or more.");
    return;
  }
  try {
    summary = await get("/v1/compare/summary", { target: asked.target });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 0) throw error;
    cannot(error.message);
    return;
  }
  if (!summary.all) {
    cannot("These targets have no workload in common. A campaign of the same space with the same seed measures the same workloads on each.");
    return;
  }
  byId("cannot").hidden = true;
  byId("found").hidden = false;
  byId("export").hidden = false;
  byId("export").href = address("/v1/compare/export", { target: asked.target, sort: asked.sort, by: asked.by });
  const part = summary.share < 1 ? `a random ${digits(100 * summary.share, 2)}% of ` : "";
  byId("common").textContent = `${count(summary.workloads)} workloads in common were compared, ${part}each by the median of its undisturbed samples.`;
  fill(byId("summary"), figures(summary.all));
  fill(byId("parts"), [...summary.kinds, ...summary.blocks].map((one) => part_row(one)));
  fill(byId("part-names"), h("th", { scope: "col" }, "Workloads"), h("th", { scope: "col", class: "num" }, "How many"), asked.target.slice(1).map((name) => h("th", { scope: "col", class: "num" }, name)));
  await rows();
}

function figures(found) {
  return found.targets.map((one, n) =>
    h(
      "tr",
      {},
      h("td", { class: "lead-cell" }, h("a", { href: address("/table", { target: one.target }) }, one.target)),
      h("td", { class: "num", "data-label": "Median ratio" }, h("span", {}, n === 0 ? h("span", { class: "soft" }, "1, by definition") : ratio(one.median_ratio))),
      h("td", { class: "num", "data-label": "10th to 90th percentile" }, n === 0 ? "" : `${digits(one.p10_ratio)} to ${digits(one.p90_ratio)}`),
      h("td", { class: "num", "data-label": "Fastest of all on" }, h("span", {}, percent(one.fastest_pct))),
    ),
  );
}

// All workloads, kinds and blocks as a file has them, a row for each target.
function parts() {
  const part = ["kind", "space_name", "block", "workloads"];
  const figure = ["target", "median_ratio", "p10_ratio", "p90_ratio", "fastest_pct"];
  const all = [summary.all, ...summary.kinds, ...summary.blocks];
  return [[...part, ...figure], ...all.flatMap((one) => one.targets.map((target) => [...part.map((name) => one[name]), ...figure.map((name) => target[name])]))];
}

function part_row(one) {
  const name = one.block ? [h("span", { class: "code" }, one.block), one.space_name ? h("span", { class: "soft" }, ` of ${one.space_name}`) : null] : one.kind === "network" ? "whole networks" : "blocks";
  return h("tr", {}, h("td", {}, name), h("td", { class: "num" }, count(one.workloads)), one.targets.slice(1).map((target) => h("td", { class: "num" }, ratio(target.median_ratio))));
}

// Words beside the number: whether 0.8 is good depends on what is divided by what.
function ratio(value) {
  const words = value < 0.995 ? "faster" : value > 1.005 ? "slower" : "the same";
  return [digits(value), h("span", { class: `small ${value < 0.995 ? "good" : "soft"}` }, ` ${words}`)];
}

async function rows() {
  if (table) {
    // Its columns are the targets: another choice is another table.
    table.table.destroy();
    byId("table").replaceChildren();
  }
  const sort = { field: asked.sort.endsWith("latency_ms") ? `latency_${Math.max(0, asked.target.indexOf(asked.by))}` : `ratio_${Math.max(1, asked.target.indexOf(asked.by))}`, dir: asked.sort.startsWith("-") ? "desc" : "asc" };
  table = await remote("table", {
    label: "Workloads in common",
    columns: [
      { title: "Workload", field: "block", minWidth: 220, widthGrow: 2, formatter: cell((row) => [h("a", { href: address("/table", { target: asked.target[0], search: row.sample, sample: row.sample }) }, row.kind === "network" ? "whole network" : (row.workload.block ?? "block")), h("div", { class: "small soft" }, row.space_name ?? "ops")]) },
      { title: "Widths", field: "widths", minWidth: 150, widthGrow: 2, formatter: cell((row) => h("span", { class: "small code" }, short(row.workload))) },
      ...asked.target.flatMap((name, n) => [
        { title: `${name}, ms`, field: `latency_${n}`, headerSort: true, hozAlign: "right", minWidth: 130, formatter: cell((row) => h("span", { class: `num ${row.fastest === name ? "good" : ""}` }, ms(row.latency_ms[n]), row.fastest === name ? h("span", { class: "unseen" }, " fastest") : null)) },
        ...(n === 0 ? [] : [{ title: "ratio", field: `ratio_${n}`, headerSort: true, hozAlign: "right", minWidth: 110, formatter: cell((row) => h("span", { class: "num" }, digits(row.ratio[n]))) }]),
      ]),
    ],
    sort,
    onsort: (by) => {
      Object.assign(asked, order(by));
      write(asked, USUAL);
      byId("export").href = address("/v1/compare/export", { target: asked.target, sort: asked.sort, by: asked.by });
    },
    page: async (after, by) => {
      const found = await get("/v1/compare", { target: asked.target, ...order(by), after, limit: PAGE });
      return { items: found.items.map((row) => ({ ...row, key: row.sample })), next: found.next };
    },
  });
}

function order({ field, dir }) {
  const [what, n] = field.split("_");
  return { sort: `${dir === "desc" ? "-" : ""}${what === "ratio" ? "ratio" : "latency_ms"}`, by: asked.target[Number(n)] };
}

function short({ widths, ops }) {
  const values = widths ? Object.values(widths) : ops.map((op) => op.c_out ?? op.type);
  return values.length <= 6 ? values.join(" · ") : `${values.slice(0, 5).join(" · ")} … (${values.length})`;
}

function cannot(words) {
  byId("found").hidden = true;
  byId("export").hidden = true;
  byId("cannot").hidden = false;
  byId("cannot").textContent = words;
}
