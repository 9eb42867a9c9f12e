/** A model's state as short text: its memory, whether it is downloaded, whether it fits. */
import { bytes, joined, number } from "../i18n/format.js";
import { LOCALES } from "../i18n/language.js";

const LANGUAGES_SHOWN = 3;
const USABLE = new Set(["ready", "loading", "loaded"]);

/** @returns {boolean} whether `model` can be used without downloading it first */
export function isUsable(model) {
  return USABLE.has(model.state) && model.fits !== false;
}

/** @returns {boolean} whether it needs more memory than is available */
export function isTooLarge(model) {
  return model.fits === false && model.state !== "loaded" && model.state !== "loading";
}

/**
 * @param {Object} app
 * @param {Object} model as in GET /api/models
 * @returns {string}
 */
export function stateText(app, model) {
  if (isTooLarge(model)) {
    const values = { needed: bytes(app, model.memory_bytes), available: bytes(app, freeBytes(app, model)) };
    return app.t("picker.too_large", values);
  }
  if (model.state === "fetching") return fetchingText(app, model);
  if (model.state === "not_fetched" && model.size_bytes)
    return app.t("picker.not_fetched", { size: bytes(app, model.size_bytes) });
  if (model.state === "loading" && model.load_share)
    return app.t("picker.loading_share", { percent: loadedPercent(app, model) });
  return app.t(`picker.state_${model.state}`);
}

/** @returns {string} how much of a model that is being loaded is in memory, e.g. "40%"; "" if that is not known */
export function loadedPercent(app, { load_share }) {
  return load_share ? number(app, load_share, { style: "percent" }) : "";
}

/** @returns {number} bytes available for loading a model on its device */
export function freeBytes(app, model) {
  const memory = (model.device === "gpu" && app.state.memory?.gpu) || app.state.memory;
  return memory?.available_bytes ?? 0;
}

/** @returns {string} a shorter text for the list, where a heading says what is to be downloaded */
export function listedState(app, model) {
  const isPlain = model.state === "not_fetched" && model.size_bytes && !isTooLarge(model);
  return isPlain ? bytes(app, model.size_bytes) : stateText(app, model);
}

/** @returns {"good"|"busy"|"bad"|"absent"} for the colour of the mark beside a model */
export function stateLook(model) {
  if (model.state === "damaged" || model.state === "failed" || isTooLarge(model)) return "bad";
  if (model.state === "fetching" || model.state === "loading") return "busy";
  return model.state === "not_fetched" ? "absent" : "good";
}

/** @returns {string} the phase of the download and its progress, e.g. "Downloading 40%" */
export function fetchingText(app, model) {
  return app.t(`picker.phase_${model.progress?.phase ?? "downloading"}`, { percent: percent(app, model) });
}

/** @returns {number} 0 to 1 */
export function share(model) {
  const { done_bytes = 0, total_bytes } = model.progress ?? {};
  const total = total_bytes || model.size_bytes;
  return total ? Math.min(1, done_bytes / total) : 0;
}

/** @returns {string} e.g. "40%" */
export function percent(app, model) {
  return number(app, share(model), { style: "percent" });
}

/**
 * @param {Object} app
 * @param {string[]} languages codes
 * @returns {string} their names in the page's language
 */
export function languageNames(app, languages) {
  const names = new Intl.DisplayNames(LOCALES[app.state.language], { type: "language" });
  return joined(
    app,
    languages.map((code) => named(names, code)),
  );
}

/** @returns {string} a few of them, the page's language first: e.g. "English, French and 11 more" */
export function shortLanguageNames(app, languages) {
  if (languages.length <= LANGUAGES_SHOWN) return languageNames(app, languages);
  const reader = app.state.language;
  const first = [...languages]
    .sort((one, other) => (other === reader) - (one === reader))
    .slice(0, LANGUAGES_SHOWN - 1);
  const count = languages.length - first.length;
  return app.t("picker.languages_more", { names: languageNames(app, first), count: number(app, count) });
}

function named(names, code) {
  try {
    return names.of(code);
  } catch {
    return code; // a manifest may contain an invalid code
  }
}
