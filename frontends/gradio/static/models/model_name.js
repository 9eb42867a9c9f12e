/** The displayed name of a model. A model is always named by its reference, never by what happens to be selected. */
import { findModel, fullName } from "./reference.js";

/**
 * @param {Object} app
 * @param {string|null|undefined} reference
 * @returns {string} the model's title, or the reference if there is no such model (any more)
 */
export function modelName(app, reference) {
  const model = findModel(app.state.models, reference);
  return model ? fullName(model, reference) : (reference ?? app.t("chat.the_model"));
}
