/** Names of who wrote a reply that was judged. No DOM. */
import { modelName } from "../models/model_name.js";

const IMPORTED = "import:";

/**
 * @param {Object} app
 * @param {string|null} player a model reference, `import:` and the name in an imported file, or null for a person
 * @returns {string}
 */
export function playerName(app, player) {
  if (player === null) return app.t("feedback.person");
  if (player.startsWith(IMPORTED)) return app.t("feedback.imported", { name: player.slice(IMPORTED.length) });
  return modelName(app, player);
}

/** @returns {string} the language with this code, in the page's language; a code that browsers don't know as it is */
export function languageName(app, code) {
  if (!code) return app.t("feedback.no_language");
  if (app.state.language === "zh" && code === "zh") return "中文";
  return new Intl.DisplayNames([app.state.language], { type: "language" }).of(code) ?? code;
}

/** @returns {string} a rater; without accounts there is one, whose name is empty */
export function raterName(app, { id, name }) {
  return name || (id === "local" ? app.t("feedback.you") : id);
}
