/** Groups and sorts the model list: models on this computer, then those to download, the most suitable first. */

/**
 * @param {Object[]} models as GET /api/models lists them
 * @param {string} language of the page
 * @returns {{key: string, models: Object[]}[]} non-empty groups, with the key of their heading
 */
export function grouped(models, language) {
  const isHere = (model) => model.state !== "not_fetched" && model.state !== "fetching";
  const here = models.filter(isHere).sort((one, other) => tierOf(one) - tierOf(other));
  const toFetch = models
    .filter((model) => !isHere(model))
    .sort((one, other) => compare(rank(one, language), rank(other, language)));
  return [
    { key: "picker.here", models: here },
    { key: "picker.to_fetch", models: toFetch },
  ].filter((group) => group.models.length > 0);
}

/**
 * Sort key: models being downloaded first, then those that fit, that speak the language, the recommended one, recent ones,
 * those that need less memory.
 */
function rank(model, language) {
  const arriving = model.state === "fetching" || model.arriving;
  const variants = model.quantizations?.length ? model.quantizations : [model];
  const fits = variants.some((variant) => variant.fits !== false);
  const speaks = model.languages.length === 0 || model.languages.includes(language);
  const least = Math.min(...variants.map((variant) => variant.memory_bytes ?? Infinity));
  return [arriving ? 0 : 1, fits ? 0 : 1, speaks ? 0 : 1, model.recommended ? 0 : 1, tierOf(model), least];
}

function tierOf(model) {
  return { older: 1, base: 2 }[model.tier] ?? 0;
}

function compare(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : one[at] < other[at] ? -1 : 1;
}
