// Numbers and times for people. What is not known is a dash with its reason, never a zero.
import { h } from "./dom.js";

/** Three significant digits, never in powers of ten. */
export function digits(value, count = 3) {
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  return value.toLocaleString("en", { minimumFractionDigits: Math.max(0, count - 1 - size), maximumFractionDigits: Math.max(0, count - 1 - size), useGrouping: true });
}

/** "3.28 ms"; as text, for charts and labels. */
export function msText(value) {
  return known(value) ? `${digits(value)} ms` : "unknown";
}

/** Milliseconds as a figure with a small unit. */
export function ms(value, reason) {
  if (!known(value)) return dash(reason);
  return [value > 0 && value < 0.0005 ? "< 0.001" : digits(value), h("span", { class: "unit" }, " ms")];
}

/** Percent, by default with one decimal below ten. `sign`: with a plus where it is positive. */
export function percent(value, { reason, sign = false, decimals = Math.abs(value) < 10 ? 1 : 0 } = {}) {
  if (!known(value)) return dash(reason);
  const text = value.toLocaleString("en", { maximumFractionDigits: decimals, minimumFractionDigits: decimals, signDisplay: sign ? "exceptZero" : "auto" });
  return [text, h("span", { class: "unit" }, " %")];
}

export function count(value, reason) {
  return known(value) ? value.toLocaleString("en") : dash(reason);
}

/** 1.2 M, 34 k: for many operations or bytes, with the exact figure at hand. */
export function short(value, unit = "") {
  if (!known(value)) return dash();
  const step = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([least]) => Math.abs(value) >= least);
  const text = step ? `${digits(value / step[0])} ${step[1]}${unit}` : `${digits(value)} ${unit}`;
  return h("span", { title: `${value.toLocaleString("en")} ${unit}` }, text.trim());
}

export function dash(reason) {
  return h("span", { class: "soft", title: reason || "unknown" }, "–", h("span", { class: "unseen" }, ` unknown${reason ? `: ${reason}` : ""}`));
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const steps = [[60, "second"], [60, "minute"], [24, "hour"], [30, "day"], [12, "month"], [Infinity, "year"]];

/** "3 min. ago", with the exact time in the reader's zone at hand. */
export function ago(text, reason) {
  if (!text) return dash(reason);
  const time = new Date(text);
  let value = (time - Date.now()) / 1000;
  for (const [size, unit] of steps) {
    if (Math.abs(value) < size) return h("time", { datetime: text, title: exact(text) }, relative.format(Math.round(value), unit));
    value /= size;
  }
  return exact(text);
}

/** Date and time in the reader's zone. */
export function exact(text) {
  return new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** "3 h 20 min" of seconds. */
export function duration(seconds, reason) {
  if (!known(seconds)) return dash(reason);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}
