/** Sampling settings: fields, presets, parsing, and overrides of a model's defaults. No DOM. */
import { same } from "../page/compare.js";

const MAX_SEED = 2 ** 32 - 2;
const MAX_THINKING_TOKENS = 32768;
const MAX_STOPS = 16;
const MAX_STOP_CHARS = 128;
const MAX_SYSTEM_PROMPT_CHARS = 20_000;

/**
 * @typedef {Object} NumberField
 * @property {string} name
 * @property {number} low
 * @property {number} high
 * @property {number} step
 * @property {number} usual shown until the model's default is known
 */

/** @type {NumberField[]} always shown */
export const BASIC_FIELDS = [
  { name: "temperature", low: 0, high: 2, step: 0.05, usual: 0.7 },
  { name: "max_new_tokens", low: 16, high: 8192, step: 16, usual: 1024 },
];

/** @type {NumberField[]} shown under "Advanced" */
export const ADVANCED_FIELDS = [
  { name: "top_p", low: 0.01, high: 1, step: 0.01, usual: 0.9 },
  { name: "top_k", low: 0, high: 200, step: 1, usual: 40 },
  { name: "min_p", low: 0, high: 1, step: 0.01, usual: 0.05 },
  { name: "repetition_penalty", low: 0.5, high: 2, step: 0.01, usual: 1 },
];

/** Presets. They leave the repetition penalty to the model: small models loop without it. */
export const PRESETS = {
  precise: { temperature: 0.2, top_p: 0.9, top_k: 40, min_p: 0.05 },
  balanced: { temperature: 0.7, top_p: 0.9, top_k: 40, min_p: 0.05 },
  creative: { temperature: 1.1, top_p: 0.95, top_k: 100, min_p: 0.05 },
};

const USUAL = {
  ...Object.fromEntries([...BASIC_FIELDS, ...ADVANCED_FIELDS].map(({ name, usual }) => [name, usual])),
  seed: null,
  stop: [],
  thinking: null, // as the model does by itself
  thinking_tokens: null,
};

/** The names of all settings of sampling. */
export const SAMPLING_NAMES = Object.keys(USUAL);

/**
 * @param {Object} defaults the model's sampling
 * @param {Object} overrides the conversation's
 * @returns {Object} every setting's value: the conversation's, else the model's, else the usual one
 */
export function valuesOf(defaults, overrides) {
  const values = { ...USUAL };
  for (const source of [defaults, overrides]) {
    for (const [name, value] of Object.entries(source)) if (name in USUAL && value !== null) values[name] = value;
  }
  return values;
}

/**
 * @param {Object} defaults
 * @param {Object} values of some settings
 * @returns {Object} the same settings as overrides: null for a value that is the model's own
 */
export function overridesOf(defaults, values) {
  const usual = valuesOf(defaults, {});
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, same(value, usual[name]) ? null : value]),
  );
}

/**
 * @param {Object} values
 * @returns {string|null} the preset with these values
 */
export function presetOf(values) {
  const matches = (preset) => Object.entries(preset).every(([name, value]) => values[name] === value);
  return Object.keys(PRESETS).find((name) => matches(PRESETS[name])) ?? null;
}

/**
 * @param {NumberField} field
 * @param {string} text as typed
 * @returns {number|null} the number within the field's range; null if it is not a number
 */
export function readNumber({ low, high, step }, text) {
  const number = text.trim() === "" ? NaN : Number(text);
  if (!Number.isFinite(number)) return null;
  const within = Math.min(Math.max(number, low), high);
  return Number.isInteger(step) ? Math.round(within) : Number(within.toFixed(4));
}

/**
 * @param {string} text
 * @returns {{value: string}|{problem: string}}
 */
export function readSystemPrompt(text) {
  const fits = text.length <= MAX_SYSTEM_PROMPT_CHARS || Array.from(text).length <= MAX_SYSTEM_PROMPT_CHARS;
  return fits ? { value: text } : { problem: "settings.long_system_prompt" };
}

/**
 * @param {string} text
 * @returns {{value: number|null}|{problem: string}} null for an empty text: a random seed for each reply
 */
export function readSeed(text) {
  const digits = text.trim();
  if (!digits) return { value: null };
  return /^[0-9]+$/.test(digits) && Number(digits) <= MAX_SEED
    ? { value: Number(digits) }
    : { problem: "settings.bad_seed" };
}

/**
 * @param {string} text
 * @returns {{value: number|null}|{problem: string}} null for an empty text: no limit
 */
export function readThinkingTokens(text) {
  const digits = text.trim();
  if (!digits) return { value: null };
  return /^[0-9]+$/.test(digits) && Number(digits) <= MAX_THINKING_TOKENS
    ? { value: Number(digits) }
    : { problem: "settings.bad_thinking_tokens" };
}

/**
 * @param {Object} defaults the model's sampling
 * @param {boolean} wanted
 * @returns {boolean|null} the value of `thinking`; null where the model thinks by itself
 */
export function thinkingFor(defaults, wanted) {
  const isUsual = defaults.thinking !== false;
  return wanted && isUsual ? null : wanted;
}

/**
 * @param {string} text one stop sequence per line
 * @returns {{value: string[]}|{problem: string}}
 */
export function readStop(text) {
  const value = text.split("\n").filter(Boolean);
  const fits = value.length <= MAX_STOPS && value.every((line) => Array.from(line).length <= MAX_STOP_CHARS);
  return fits ? { value } : { problem: "settings.bad_stop" };
}
