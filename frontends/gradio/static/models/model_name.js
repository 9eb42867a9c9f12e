/** What a model is called on the page. */
import { findModel, fullName } from "./reference.js";

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
