// Numbers and times for people. An unknown value is a dash with its reason, never a zero.
import { h } from "./dom.js";

/** Three significant digits by default, never in powers of ten. */
export function significant(value, digits = 3) {
  if (value === 0) return "0";
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

/** "3.28 ms" as plain text, for charts and labels. */
export function msText(value) {
  return isNumber(value) ? `${significant(value)} ms` : "unknown";
}

/** "42.5%" as plain text, with at most one decimal. */
export function percentText(value) {
  return `${value.toLocaleString("en", { maximumFractionDigits: 1 })}%`;
}

/** Milliseconds, with the unit in small type. */
export function ms(value, reason) {
  if (!isNumber(value)) return unknown(reason);
  return withUnit(value > 0 && value < 0.0005 ? "< 0.001" : significant(value), "ms");
}

/** Percent, by default with one decimal below ten. `sign`: show a plus, too. */
export function percent(value, { reason, sign = false, decimals } = {}) {
  if (!isNumber(value)) return unknown(reason);
  const digits = decimals ?? (Math.abs(value) < 10 ? 1 : 0);
  const text = value.toLocaleString("en", {
    maximumFractionDigits: digits,
    minimumFractionDigits: digits,
    signDisplay: sign ? "exceptZero" : "auto",
  });
  return withUnit(text, "%");
}

function withUnit(text, unit) {
  return [text, h("span", { class: "unit" }, ` ${unit}`)];
}

/** "1,234". */
export function count(value, reason) {
  return isNumber(value) ? value.toLocaleString("en") : unknown(reason);
}

/** "1 sample", "1,234 samples". */
export function plural(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A number or a dash. */
export function fixed(value, decimals, reason) {
  return isNumber(value) ? value.toFixed(decimals) : unknown(reason);
}

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

/** "1.2 M", "34 k": a large count, with the exact number as its title. */
export function compact(value) {
  if (!isNumber(value)) return unknown();
  const [factor, prefix] = PREFIXES.find(([min]) => Math.abs(value) >= min) ?? [1, ""];
  const text = `${significant(value / factor)} ${prefix}`.trim();
  return h("span", { title: value.toLocaleString("en") }, text);
}

/** A dash for a value that is unknown for this reason. */
export function unknown(reason) {
  const text = reason ? `unknown: ${reason}` : "unknown";
  return h(
    "span",
    { class: "soft", title: reason || "unknown" },
    "–",
    h("span", { class: "visually-hidden" }, ` ${text}`),
  );
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
// How many of each unit make one of the next.
const UNITS = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [30, "day"],
  [12, "month"],
  [Infinity, "year"],
];

/** "3 min. ago", with the exact time as its title. */
export function ago(time, reason) {
  if (!time) return unknown(reason);
  let value = (new Date(time) - Date.now()) / 1000;
  let unit = "second";
  for (const [size, name] of UNITS) {
    unit = name;
    if (Math.abs(value) < size) break;
    value /= size;
  }
  const text = relative.format(Math.round(value), unit);
  return h("time", { datetime: time, title: dateTime(time) }, text);
}

/** Statements as sentences, each with a capital letter and a full stop. */
export function sentences(statements) {
  return statements.map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`).join(" ");
}

/**
 * A ratio of latencies as people say it, and which side it is on: {text, isFaster, isSlower}.
 */
export function difference(ratio) {
  const pct = 100 * (ratio - 1);
  const size = Math.abs(pct);
  if (size < 0.5) return { text: "the same time", isFaster: false, isSlower: false };
  const isSlower = pct > 0;
  const digits = size < 9.95 ? 1 : 0;
  const text = ratio >= 2
    ? `${significant(ratio, 2)} times as long`
    : `${size.toFixed(digits)}% ${isSlower ? "more" : "less"} time`;
  return { text, isFaster: !isSlower, isSlower };
}

/** Date and time in the reader's time zone. */
export function dateTime(time) {
  return new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

/** "3 h 20 min". */
export function duration(seconds, reason) {
  if (!isNumber(seconds)) return unknown(reason);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
