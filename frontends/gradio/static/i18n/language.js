/** The page's language and its texts. */
import { readStored, store } from "../page/storage.js";
import { en } from "./en.js";
import { zh } from "./zh.js";

const WORDS = { en, zh };
const KEY = "parley.language";
const FIELD = /\{(\w+)\}/g;

/** The locales of the browser's own number, date and name formats. */
export const LOCALES = { en: "en", zh: "zh-CN" };

/** @returns {"en"|"zh"} what was chosen before, else what the browser prefers */
export function preferredLanguage() {
  const chosen = readStored(KEY);
  if (chosen in WORDS) return chosen;
  const known = (navigator.languages ?? []).map((tag) => tag.slice(0, 2)).find((tag) => tag in WORDS);
  return known ?? "en";
}

/** @param {"en"|"zh"} language */
export function rememberLanguage(language) {
  store(KEY, language);
}

/**
 * @param {() => string} language tells the language now
 * @returns {(key: string, values?: Object) => string}
 */
export function createTranslate(language) {
  return (key, values = {}) => fill(WORDS[language()][key] ?? WORDS.en[key] ?? key, values);
}

/** @returns {string[]} the names of the values that a text needs */
export function fieldsOf(key) {
  return [...WORDS.en[key].matchAll(FIELD)].map(([, name]) => name);
}

/** @returns {boolean} whether there is such a text */
export function hasText(key) {
  return key in WORDS.en;
}

function fill(template, values) {
  return template.replace(FIELD, (whole, name) => String(values[name] ?? whole));
}
