/** What became of a person's judgements of a reply, in words. No DOM. */

/**
 * @typedef {Object} Judgement see docs/api.md
 * @property {"rating"|"ranking"} kind
 * @property {{verdict: string, score: number|null}|null} rating
 * @property {{source: string, open: boolean, withdrawn: boolean}|null} ranking
 * @property {string[]} rows of training data that it is part of
 * @property {Object<string, string>} dropped why it is not part of others
 */

/**
 * @param {(key: string, values?: Object) => string} t
 * @param {Judgement[]} judgements
 * @returns {[string, string][]} what was judged, and what became of it; without what was withdrawn
 */
export function judgementLines(t, judgements) {
  const given = judgements.filter(({ rating, ranking }) =>
    rating ? rating.verdict !== "retracted" : !ranking.withdrawn && !ranking.open,
  );
  return given.map((judgement) => [nameOf(t, judgement), outcomeOf(t, judgement)]);
}

function nameOf(t, { rating, ranking }) {
  if (ranking) return t(`judgement.${ranking.source}`);
  const name = t(`judgement.${rating.verdict}`);
  return rating.score ? t("judgement.with_score", { name, score: rating.score }) : name;
}

function outcomeOf(t, { rows, dropped, datasets = [] }) {
  const reasons = [...new Set(Object.values(dropped))];
  if (!rows.length) return reasons.length ? t(`judgement.because_${reasons[0]}`) : t("judgement.unused");
  const used = rows.map((row) => t(`judgement.row_${row}`)).join(t("judgement.and"));
  return datasets.length ? t("judgement.in_datasets", { used, names: datasets.join(", ") }) : used;
}
