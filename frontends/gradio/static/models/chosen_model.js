/** Which model answers when a chat has none of its own: the one chosen last in this browser, else a good default. */
import { readStored, store } from "../page/storage.js";
import { isTooLarge } from "./model_state.js";
import { bestReference, findModel, isKnown, parts, variantOf } from "./reference.js";

const KEY = "parley.model";

/** @param {string} reference chosen by a person */
export function rememberModel(reference) {
  store(KEY, reference);
}

/**
 * The model that was chosen last; else the one in the server's settings; else its default if it speaks the page's language; else the first ready
 * model that does; else any ready one.
 * @param {Object} app
 * @returns {string|null} a reference
 */
export function preferredModel(app) {
  const { models, info, language } = app.state;
  const chosen = readStored(KEY);
  for (const wanted of [chosen, info?.configured_model_id]) {
    if (isKnown(models, wanted) && canAnswer(variantOf(findModel(models, wanted), wanted))) return wanted;
  }
  const ready = models.filter(isReady);
  const usual = ready.find((model) => model.id === parts(info?.default_model_id).base);
  const speaks = (model) => model?.languages.includes(language);
  const best = speaks(usual) ? usual : (ready.find(speaks) ?? usual ?? ready[0]);
  if (!best) return null;
  return best === usual ? info.default_model_id : bestReference(best);
}

/**
 * @param {Object|null} model or one of its variants
 * @returns {boolean} whether it can reply, at once or after loading
 */
export function isReady(model) {
  return Boolean(model) && ["ready", "loaded", "loading"].includes(model.state);
}

function canAnswer(variant) {
  return isReady(variant) && !isTooLarge(variant);
}
