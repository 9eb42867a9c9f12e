/** The displayed name of a model. */
import { findModel, fullName } from "./reference.js";

/**
 * @param {Object} app
 * @param {string} [id] a reference; by default the conversation's
 * @returns {string} the model's title, or its id where it isn't known
 */
export function modelName(app, id) {
  const wanted = id ?? app.reference();
  const model = findModel(app.state.models, wanted);
  return model ? fullName(model, wanted) : (wanted ?? app.t("chat.the_model"));
}
