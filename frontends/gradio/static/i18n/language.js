/** Words, numbers and dates in the reader's language, and errors in plain words. */
import en from "./en.js";
import zh from "./zh.js";
import { findModel, fullName } from "../models/reference.js";

const WORDS = { en, zh };
const LOCALES = { en: "en", zh: "zh-CN" };
const KEY = "parley.language";

/** @returns {"en"|"zh"} what was chosen before, else what the browser prefers */
export function preferredLanguage() {
  const chosen = localStorage.getItem(KEY);
  if (chosen in WORDS) return chosen;
  const known = (navigator.languages ?? []).map((tag) => tag.slice(0, 2)).find((tag) => tag in WORDS);
  return known ?? "en";
}

/** @param {"en"|"zh"} language */
export function rememberLanguage(language) {
  localStorage.setItem(KEY, language);
}

/**
 * @param {() => string} language tells the language now
 * @returns {(key: string, values?: Object) => string}
 */
export function createTranslate(language) {
  return (key, values = {}) => fill(WORDS[language()][key] ?? WORDS.en[key] ?? key, values);
}

function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * An error in plain words: what happened and what to do.
 * @param {Object} app
 * @param {{code: string, message?: string, details?: Object}} error
 * @returns {string}
 */
export function errorText(app, error) {
  const details = error.details ?? {};
  const values = { ...details, message: error.message ?? "", model: modelName(app, details.model_id) };
  for (const [name, value] of Object.entries(details)) if (name.endsWith("_bytes")) values[name] = bytes(app, value);
  values.retry_after_s ??= 5;
  values.prompt_tokens ??= "?";
  values.context_tokens ??= "?";
  const key = [`error.hub_${details.reason}`, `error.${error.code}`].find((one) => one in WORDS.en) ?? "error.unknown";
  return app.t(key, values);
}

/**
 * @param {Object} app
 * @param {string} [id] without it, the conversation's model
 * @returns {string} the model's title, or its id where it isn't known
 */
export function modelName(app, id) {
  const wanted = id ?? app.reference();
  const model = findModel(app.state.models, wanted);
  return model ? fullName(model, wanted) : (wanted ?? app.t("chat.the_model"));
}

/** @returns {string} names one after the other, e.g. "a, b" */
export function joined(app, names) {
  return names.join(app.state.language === "zh" ? "、" : ", ");
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
 * @param {string} when ISO 8601
 * @returns {string} the time today, else date and time
 */
export function shortTime(app, when) {
  const date = new Date(when);
  const today = new Date().toDateString() === date.toDateString();
  const day = today ? {} : { month: "short", day: "numeric" };
  const style = { ...day, hour: "2-digit", minute: "2-digit" };
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
