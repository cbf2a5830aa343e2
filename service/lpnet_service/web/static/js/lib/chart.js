// Charts: ECharts in the colours of the page, with a caption and buttons that save image and data.
import { document, getComputedStyle, ResizeObserver } from "./browser.js";
import { byId, fill, h } from "./dom.js";
import { saveCsv, saveUrl } from "./save.js";

const SERIES_COLOURS = 6;

let library = null;

/** A colour of css/theme.css, such as "--accent". */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colour of the nth series. */
export function seriesColour(n) {
  return colour(`--series-${(n % SERIES_COLOURS) + 1}`);
}

/**
 * A chart in the figure with this id; its files are called `name`. Its `draw` takes
 * {option, label, rows}: a function that makes the ECharts option, called again when the theme
 * changes, a caption, and the rows of the CSV file, column names first.
 */
export async function createChart(id, name) {
  library ??= import("../../vendor/echarts/echarts.mjs");
  const echarts = await library;
  const figure = byId(id);
  const container = h("div", { class: `chart ${figure.dataset.size || ""}`, role: "img" });
  const caption = h("span", {});
  let makeOption = null;
  let rows = [];
  const saveImage = () => {
    const style = { pixelRatio: 2, backgroundColor: colour("--surface") };
    saveUrl(`${name}.png`, instance.getDataURL(style));
  };
  const buttons = h(
    "span",
    { class: "save-buttons" },
    h("button", { type: "button", class: "quiet", onclick: saveImage }, "PNG"),
    h(
      "button",
      { type: "button", class: "quiet", onclick: () => saveCsv(`${name}.csv`, rows) },
      "CSV",
    ),
  );
  fill(figure, container, h("figcaption", {}, caption, buttons));
  const instance = echarts.init(container, null, { renderer: "canvas" });
  const render = () => {
    if (makeOption) instance.setOption({ ...baseOption(), ...makeOption() }, { notMerge: true });
  };
  new ResizeObserver(() => instance.resize()).observe(container);
  addEventListener("lpnet:theme", render);
  return {
    draw(drawing) {
      makeOption = drawing.option;
      rows = drawing.rows;
      // Without a row of data only the caption is shown, which says why.
      container.hidden = rows.length < 2;
      container.setAttribute("aria-label", drawing.label);
      caption.textContent = drawing.label;
      render();
    },
  };
}

function baseOption() {
  return {
    animation: false,
    textStyle: { fontFamily: colour("--text"), color: colour("--ink") },
    color: Array.from({ length: SERIES_COLOURS }, (_, n) => seriesColour(n)),
    grid: { left: 64, right: 20, top: 36, bottom: 48 },
  };
}

function axis(name, nameGap, { format, ticks, ...options }) {
  return {
    name,
    nameLocation: "middle",
    nameGap,
    nameTextStyle: { color: colour("--ink-2") },
    axisLine: { lineStyle: { color: colour("--line-strong") } },
    axisLabel: {
      color: colour("--ink-2"),
      formatter: format,
      hideOverlap: true,
      ...(ticks && { customValues: ticks }),
    },
    ...(ticks && { axisTick: { customValues: ticks } }),
    splitLine: { lineStyle: { color: colour("--line") } },
    ...options,
  };
}

/**
 * A horizontal axis. `format` writes its labels, `ticks` are their values if not those that ECharts
 * chooses; other options are those of ECharts.
 */
export function xAxis(name, options) {
  return axis(name, 30, options);
}

/** A vertical axis, with the options of `xAxis`. */
export function yAxis(name, options) {
  return axis(name, 48, options);
}

/**
 * Ticks of a logarithmic axis: 1, 2 and 5 times powers of ten, or evenly spaced round numbers if
 * only one of those lies between `min` and `max`. ECharts itself labels powers of ten and both
 * ends, which can be so close that their labels touch.
 */
export function logTicks(min, max) {
  const decades = range(Math.floor(Math.log10(min)), Math.ceil(Math.log10(max)));
  const inside = (ticks) => ticks.filter((tick) => tick >= min && tick <= max);
  const ticks = inside(decades.flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power)));
  if (ticks.length > 1) return ticks;
  const power = 10 ** Math.floor(Math.log10((max - min) / 2));
  const step = [1, 2, 5, 10].map((n) => n * power).findLast((n) => n <= (max - min) / 2);
  return inside(range(Math.ceil(min / step), Math.floor(max / step)).map((n) => n * step));
}

function range(first, last) {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n);
}

/** A tooltip drawn on the canvas: the pages' content security policy forbids inline styles. */
export function tooltip(formatter, options = { trigger: "item" }) {
  return {
    renderMode: "richText",
    confine: true,
    backgroundColor: colour("--surface"),
    borderColor: colour("--line-strong"),
    textStyle: { color: colour("--ink"), fontSize: 13 },
    formatter,
    ...options,
  };
}

/** A legend above the chart. */
export function legend(options = {}) {
  return {
    top: 0,
    left: 0,
    icon: "roundRect",
    itemWidth: 14,
    itemHeight: 6,
    textStyle: { color: colour("--ink-2") },
    ...options,
  };
}
