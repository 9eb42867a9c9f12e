/** Translates the server's error codes. */
import { bytes } from "../i18n/format.js";
import { fieldsOf, hasText } from "../i18n/language.js";
import { modelName } from "../models/model_name.js";

/**
 * The sentence for an error: what happened and what to do. An error without what the sentence names, as one that an
 * older version stored, is told in the server's words.
 * @param {Object} app
 * @param {{code: string, message?: string, details?: Object}} error
 * @returns {string}
 */
export function errorText(app, error) {
  const details = error.details ?? {};
  const model = details.model_id ? modelName(app, details.model_id) : app.t("chat.this_model");
  const values = { ...details, message: error.message || error.code, model };
  for (const [name, value] of Object.entries(details)) if (name.endsWith("_bytes")) values[name] = bytes(app, value);
  const isTold = (key) => hasText(key) && fieldsOf(key).every((name) => (values[name] ?? null) !== null);
  const key = [`error.hub_${details.reason}`, `error.${error.code}`].find(isTold) ?? "error.unknown";
  const text = app.t(key, values);
  const begins = !details.model_id && text.startsWith(model); // names of models and repositories stay as they are
  return begins ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}
