/** Translates the server's error codes. */
import { bytes } from "../i18n/format.js";
import { hasText } from "../i18n/language.js";
import { modelName } from "../models/model_name.js";

/**
 * The sentence for an error: what happened and what to do.
 * @param {Object} app
 * @param {{code: string, message?: string, details?: Object}} error
 * @returns {string}
 */
export function errorText(app, error) {
  const details = error.details ?? {};
  const values = { ...details, message: error.message ?? "", model: modelName(app, details.model_id) };
  for (const [name, value] of Object.entries(details)) if (name.endsWith("_bytes")) values[name] = bytes(app, value);
  values.retry_after_s ??= 5;
  values.prompt_tokens ??= "?";
  values.context_tokens ??= "?";
  const key = [`error.hub_${details.reason}`, `error.${error.code}`].find(hasText) ?? "error.unknown";
  return app.t(key, values);
}
