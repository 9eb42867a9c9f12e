/** Numbers, sizes, dates and lists of names in the reader's language. */
import { LOCALES } from "./language.js";

/**
 * @param {Object} app
 * @param {number} value
 * @param {Intl.NumberFormatOptions} [options]
 * @returns {string}
 */
export function number(app, value, options) {
  return new Intl.NumberFormat(LOCALES[app.state.language], options).format(value);
}

/**
 * @param {Object} app
 * @param {number} count
 * @returns {string} e.g. "98 MB"
 */
export function bytes(app, count) {
  const [divisor, unit] = count >= 1e9 ? [1e9, "gigabyte"] : [1e6, "megabyte"];
  const digits = divisor === 1e9 && count < 1e10 ? 1 : 0;
  return number(app, count / divisor, { style: "unit", unit, maximumFractionDigits: digits });
}

/** @returns {string} names one after the other, e.g. "a, b" */
export function joined(app, names) {
  return names.join(app.state.language === "zh" ? "、" : ", ");
}

/**
 * @param {Object} app
 * @param {string} when ISO 8601
 * @returns {string} the time today, else date and time, with the year if it is another one
 */
export function shortTime(app, when) {
  const date = new Date(when);
  const now = new Date();
  const isToday = now.toDateString() === date.toDateString();
  const day = isToday ? {} : { month: "short", day: "numeric" };
  const year = now.getFullYear() === date.getFullYear() ? {} : { year: "numeric" };
  const style = { ...year, ...day, hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(LOCALES[app.state.language], style).format(date);
}

/**
 * @param {Object} app
 * @param {string} when ISO 8601
 * @returns {string} the whole date and time
 */
export function longTime(app, when) {
  const style = { dateStyle: "long", timeStyle: "short" };
  return new Intl.DateTimeFormat(LOCALES[app.state.language], style).format(new Date(when));
}
