/** The order of the model list: those on this computer, then those to download, the most suitable first. */

/**
 * @param {Object[]} models as GET /api/models lists them
 * @param {string} language of the reader
 * @returns {{key: string, models: Object[]}[]} the groups that have models, with the key of their heading
 */
export function grouped(models, language) {
  const isHere = (model) => model.state !== "not_fetched" && model.state !== "fetching";
  const here = models.filter(isHere);
  const toFetch = models
    .filter((model) => !isHere(model))
    .sort((one, other) => compare(rank(one, language), rank(other, language)));
  return [
    { key: "picker.here", models: here },
    { key: "picker.to_fetch", models: toFetch },
  ].filter((group) => group.models.length > 0);
}

/** First what is being downloaded, then what fits, what speaks the reader's language, what takes less memory. */
function rank(model, language) {
  const coming = model.state === "fetching" || model.arriving;
  const variants = model.quantizations?.length ? model.quantizations : [model];
  const fits = variants.some((variant) => variant.fits !== false);
  const speaks = model.languages.length === 0 || model.languages.includes(language);
  const least = Math.min(...variants.map((variant) => variant.memory_bytes ?? Infinity));
  return [coming ? 0 : 1, fits ? 0 : 1, speaks ? 0 : 1, least];
}

function compare(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : one[at] < other[at] ? -1 : 1;
}
