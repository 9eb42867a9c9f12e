/** The order in which models are offered: those that are here, then those to fetch, the most suitable first. */

/**
 * @param {Object[]} models as GET /api/models lists them
 * @param {string} language of the reader
 * @returns {{key: string, models: Object[]}[]} the groups that have models, with the key of their heading
 */
export function grouped(models, language) {
  const isHere = (model) => model.state !== "not_fetched" && model.state !== "fetching";
  const here = models.filter(isHere);
  const toFetch = models.filter((model) => !isHere(model)).sort((one, other) => compare(rank(one, language), rank(other, language)));
  return [
    { key: "picker.here", models: here },
    { key: "picker.to_fetch", models: toFetch },
  ].filter((group) => group.models.length > 0);
}

/** What is on its way comes first, then what fits, then what speaks the reader's language, then what takes less memory. */
function rank(model, language) {
  const coming = model.state === "fetching" || model.arriving;
  const ways = model.quantizations?.length ? model.quantizations : [model];
  const fits = ways.some((way) => way.fits !== false);
  const speaks = model.languages.length === 0 || model.languages.includes(language);
  const least = Math.min(...ways.map((way) => way.memory_bytes ?? Infinity));
  return [coming ? 0 : 1, fits ? 0 : 1, speaks ? 0 : 1, least];
}

function compare(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : one[at] < other[at] ? -1 : 1;
}
