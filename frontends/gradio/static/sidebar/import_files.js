/** Which files can be imported, as far as it can be told without reading them. */
import { bytes } from "../i18n/format.js";

const NAMES = /\.(json|jsonl|ndjson|zip)$/i;
const WRONG = /^(image|audio|video|font)\/|^application\/(pdf|msword|vnd\.)/;

/**
 * Why a file can't be imported, found out without sending it.
 * @param {Object} app
 * @param {{name: string, size: number}} file
 * @returns {string|null} the sentence
 */
export function problemOf(app, file) {
  if (!NAMES.test(file.name)) return app.t("imports.wrong_kind", { name: file.name });
  const limit = app.state.info?.limits?.import_bytes;
  if (limit && file.size > limit) return app.t("imports.too_large", { name: file.name, limit: bytes(app, limit) });
  return null;
}

/**
 * Whether none of the dragged files can be imported, as far as the browser tells before they are dropped.
 * @param {DataTransfer} dragged
 * @returns {boolean}
 */
export function areWrong(dragged) {
  const files = [...(dragged.items ?? [])].filter(({ kind }) => kind === "file");
  return files.length > 0 && files.every(({ type }) => WRONG.test(type));
}

/** @returns {boolean} whether files are dragged, rather than text or a link of the page */
export function hasFiles(dragged) {
  return [...(dragged?.types ?? [])].includes("Files");
}
