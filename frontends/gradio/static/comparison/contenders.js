/** Who answers in a comparison: two models, one model with two settings, or several samples. No DOM. */
import { PRESETS, valuesOf } from "../settings/sampling.js";

/** What can be compared. */
export const MODES = ["models", "settings", "samples"];

/** The second settings that can be chosen, as overrides of the chat's own. */
export const SETTINGS = {
  ...PRESETS,
  coldest: { temperature: 0 },
  hottest: { temperature: 1.5 },
  no_thinking: { thinking: false },
};

/** How many samples can be ranked. */
export const SAMPLES = [2, 3, 4];

const MAX_SEED = 2 ** 32 - 2;

/**
 * @typedef {Object} Setup as it is kept in this browser
 * @property {boolean} on
 * @property {"models"|"settings"|"samples"} mode
 * @property {string|null} second the reference of the second model
 * @property {keyof SETTINGS} settings
 * @property {number} samples
 * @property {boolean} blind
 */

/** @type {Setup} */
const USUAL = { on: false, mode: "models", second: null, settings: "creative", samples: 3, blind: true };

/**
 * @param {string|null} text as it was stored
 * @returns {Setup} without anything that this version does not know
 */
export function parseSetup(text) {
  let stored;
  try {
    stored = JSON.parse(text ?? "{}") ?? {};
  } catch {
    stored = {};
  }
  const setup = { ...USUAL };
  if (typeof stored.on === "boolean") setup.on = stored.on;
  if (typeof stored.blind === "boolean") setup.blind = stored.blind;
  if (typeof stored.second === "string") setup.second = stored.second;
  if (MODES.includes(stored.mode)) setup.mode = stored.mode;
  if (Object.hasOwn(SETTINGS, stored.settings)) setup.settings = stored.settings;
  if (SAMPLES.includes(stored.samples)) setup.samples = stored.samples;
  return setup;
}

/**
 * @param {Setup} setup
 * @param {string} first the reference of the chat's model
 * @param {Object} sampling the chat's overrides
 * @returns {{contenders: Object[], blind: boolean, source: string}} for POST …/compare
 */
export function contest(setup, first, sampling) {
  const { mode, second, samples } = setup;
  if (mode === "models") {
    return { contenders: [{ model_id: first }, { model_id: second }], blind: setup.blind, source: "side_by_side" };
  }
  if (mode === "settings") {
    const other = { model_id: first, sampling: SETTINGS[setup.settings] };
    return { contenders: [{ model_id: first }, other], blind: setup.blind, source: "side_by_side" };
  }
  const contenders = Array.from({ length: samples }, (_, at) => sample(first, sampling.seed, at));
  return { contenders, blind: true, source: "ranking" };
}

// With the same seed all samples would be the same.
function sample(model_id, seed, at) {
  if (typeof seed !== "number") return { model_id };
  return { model_id, sampling: { seed: (seed + at) % (MAX_SEED + 1) } };
}

/**
 * @param {Setup} setup
 * @param {Object} defaults the model's sampling
 * @param {Object} sampling the chat's overrides
 * @returns {boolean} whether all replies will be the same: by the settings chosen, nothing is left to chance
 */
export function isPointless(setup, defaults, sampling) {
  const now = valuesOf(defaults, sampling);
  if (setup.mode === "samples") return now.temperature === 0;
  if (setup.mode !== "settings") return false;
  return Object.entries(SETTINGS[setup.settings]).every(([name, value]) => now[name] === value);
}
