/** A short summary of a conversation's settings, for the button below the text box. */

const SHOWN = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens", "thinking_tokens", "seed"];

/**
 * @param {Object} app
 * @returns {string[]} one entry for each setting that differs from the model's defaults
 */
export function settingsSummary(app) {
  const { system_prompt = "", sampling = {} } = app.settings();
  const set = system_prompt.trim() ? [app.t("settings.set_system_prompt")] : [];
  for (const name of SHOWN) {
    const value = sampling[name];
    if (value !== undefined && value !== null) set.push(app.t(`settings.set_${name}`, { value }));
  }
  if (sampling.thinking === false) set.push(app.t("settings.set_thinking"));
  if (sampling.stop?.length) set.push(app.t("settings.set_stop"));
  return set;
}
