/** Who wrote a reply, as far as it is known. */
import { modelName } from "../models/model_name.js";

/**
 * @param {Object} app
 * @param {import("./message_tree.js").Message} message a reply
 * @returns {string} the model's name; of a corrected reply, that a person wrote it; of an imported reply, that it is imported, with the model that its file names
 */
export function authorName(app, message) {
  if (message.corrects_id) return app.t("correction.author");
  const reference = message.model_id ?? message.provenance?.model_id;
  if (reference) return modelName(app, reference);
  if (!isImported(message)) return app.t("chat.the_model");
  if (!message.imported_model) return app.t("chat.imported");
  return app.t("chat.imported_from", { model: message.imported_model });
}

/** @returns {boolean} whether a reply comes from a file */
export function isImported(message) {
  return typeof message.imported_model === "string";
}
