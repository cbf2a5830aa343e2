// Charts: ECharts in the colours of the page, with a caption, and buttons that save picture and data.
import { byId, fill, h } from "./dom.js";
import { saveCsv, saveUrl } from "./save.js";

let library = null;

/** The value of a colour of css/theme.css, say "--accent". */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colour of the nth series. */
export function series(n) {
  return colour(`--series-${(n % 6) + 1}`);
}

/**
 * A chart in the figure with this id. `draw(option, label, rows)` shows an ECharts option, made by
 * the function `option` so that it can be made again in other colours; `label` says in words what
 * is seen, `rows` (lists, the first of them names) is what "CSV" saves. Returns the chart.
 */
export async function chart(id, name) {
  library ??= import("../../vendor/echarts/echarts.mjs");
  const echarts = await library;
  const figure = byId(id);
  const place = h("div", { class: `chart ${figure.dataset.size || ""}`, role: "img" });
  const words = h("span", {});
  const shown = { option: null, rows: [] };
  const png = h("button", { type: "button", class: "quiet", onclick: () => saveUrl(`${name}.png`, instance.getDataURL({ pixelRatio: 2, backgroundColor: colour("--surface") })) }, "PNG");
  const csv = h("button", { type: "button", class: "quiet", onclick: () => saveCsv(`${name}.csv`, shown.rows) }, "CSV");
  fill(figure, place, h("figcaption", {}, words, h("span", { class: "saves" }, png, csv)));
  const instance = echarts.init(place, null, { renderer: "canvas" });
  const paint = () => shown.option && instance.setOption({ ...common(), ...shown.option() }, { notMerge: true });
  new ResizeObserver(() => instance.resize()).observe(place);
  addEventListener("lpnet:theme", paint);
  return {
    instance,
    draw(option, label, rows) {
      shown.option = option;
      shown.rows = rows;
      place.setAttribute("aria-label", label);
      words.textContent = label;
      paint();
    },
  };
}

function common() {
  return {
    animation: false,
    textStyle: { fontFamily: colour("--text"), color: colour("--ink") },
    color: [0, 1, 2, 3, 4, 5].map(series),
    grid: { left: 64, right: 20, top: 36, bottom: 48 },
  };
}

/** An axis in the style of all. */
export function axis(name, more = {}) {
  return {
    name,
    nameLocation: "middle",
    nameGap: more.position === "left" || more.vertical ? 48 : 30,
    nameTextStyle: { color: colour("--ink-2") },
    axisLine: { lineStyle: { color: colour("--line-strong") } },
    axisLabel: { color: colour("--ink-2") },
    splitLine: { lineStyle: { color: colour("--line") } },
    ...more,
  };
}

/** A tooltip that is drawn, not made of markup: the pages' policy allows no inline styles. */
export function tooltip(formatter, more = {}) {
  return {
    renderMode: "richText",
    confine: true,
    backgroundColor: colour("--surface"),
    borderColor: colour("--line-strong"),
    textStyle: { color: colour("--ink"), fontSize: 13 },
    formatter,
    ...more,
  };
}

/** A legend in the style of all. */
export function legend(more = {}) {
  return { top: 0, left: 0, icon: "roundRect", itemWidth: 14, itemHeight: 6, textStyle: { color: colour("--ink-2") }, ...more };
}
