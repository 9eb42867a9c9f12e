/** How compared replies are named once their models may be known. No DOM. */
import { authorName } from "../conversation/author.js";
import { modelName } from "../models/model_name.js";
import { SAMPLING_NAMES } from "../settings/sampling.js";

const NOT_NAMED = new Set(["seed", "stop", "thinking"]); // differs always; too long; has a text of its own

/**
 * @param {Object} app
 * @param {import("../conversation/message_tree.js").Message[]} messages the compared replies
 * @returns {string[]} the model of each; where that is the same, the settings that differ; empty where nothing does
 */
export function contenderNames(app, messages) {
  const models = messages.map((message) => authorName(app, message));
  if (new Set(models).size > 1) return models;
  const used = messages.map((message) => message.provenance?.sampling ?? {});
  const differing = SAMPLING_NAMES.filter((name) => !NOT_NAMED.has(name) && !isSame(used.map((each) => each[name])));
  const isThinking = used.map((each) => each.thinking !== false);
  return used.map((each, at) => {
    const settings = differing.map((name) => app.t(`settings.set_${name}`, { value: each[name] ?? "–" }));
    if (!isSame(isThinking) && !isThinking[at]) settings.push(app.t("settings.set_thinking"));
    else if (!isSame(isThinking) && !settings.length) settings.push(app.t("compare.thinking"));
    return settings.join(" · ");
  });
}

/**
 * @param {Object} app
 * @param {import("./contenders.js").Setup & {second: string|null}} setup
 * @returns {string} what the next question compares, in a few words
 */
export function setupSummary(app, setup) {
  if (setup.mode === "samples") return app.t("compare.samples_short", { count: setup.samples });
  if (setup.mode === "settings") return app.t("compare.settings_short");
  return setup.second ? app.t("compare.models_short", { model: modelName(app, setup.second) }) : app.t("compare.toggle");
}

function isSame(values) {
  return values.every((value) => value === values[0]);
}
