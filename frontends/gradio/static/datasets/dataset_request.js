/** What is asked of the server for a dataset, and what its answers say, as short texts. No DOM. */
import { number } from "../i18n/format.js";

/**
 * @typedef {Object} Chosen what the form contains
 * @property {string} name
 * @property {string[]} formats
 * @property {string} language "" for all
 * @property {string} source "" for all
 * @property {string} since a day like 2026-11-24, or ""
 * @property {string} until a day, which is included, or ""
 * @property {string} minScore a number, or ""
 * @property {boolean} acceptedOnly
 * @property {boolean} scrub
 * @property {boolean} reasoning
 */

/**
 * @param {Chosen} chosen
 * @returns {Object} the body of POST /api/datasets/preview; with `name` that of POST /api/datasets
 */
export function requestOf(chosen) {
  const { formats, scrub, reasoning } = chosen;
  const filters = {
    ...(chosen.language && { languages: [chosen.language] }),
    ...(chosen.source && { sources: [chosen.source] }),
    ...(chosen.since && { since: beginOf(chosen.since, 0) }),
    ...(chosen.until && { until: beginOf(chosen.until, 1) }),
    ...(chosen.minScore && { min_score: Number(chosen.minScore) }),
    ...(chosen.acceptedOnly && { accepted_only: true }),
  };
  return { formats, filters, scrub, reasoning };
}

// The reader's day, as the reader's clock counts it.
function beginOf(day, daysLater) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + daysLater).toISOString();
}

/**
 * @param {Object} preview as in docs/api.md
 * @returns {[string, number][]} the formats with the number of their rows
 */
export function rowsOf({ formats }) {
  return Object.entries(formats).map(([name, { rows }]) => [name, rows]);
}

/**
 * @param {Object} app
 * @param {Object} preview
 * @returns {string[]} why judgements were left out, and how many, the most frequent reason first
 */
export function leftOut(app, { dropped, filtered_judgements: judgements, filtered_rows: rows }) {
  const counts = {};
  // Of several kinds of rows, the one that lost most: the same judgement is left out of each.
  for (const reasons of Object.values(dropped))
    for (const [reason, count] of Object.entries(reasons)) counts[reason] = Math.max(counts[reason] ?? 0, count);
  const told = Object.entries(counts).map(([reason, count]) => [app.t(`datasets.dropped_${reason}`), count]);
  const filtered = sum(judgements) + sum(rows);
  if (filtered) told.push([app.t("datasets.filtered"), filtered]);
  return told.sort((one, other) => other[1] - one[1]).map(([text, count]) => counted(app, text, count));
}

/**
 * @param {Object} app
 * @param {Object<string, number>} stale judgements by reason
 * @returns {string} why a dataset is stale; "" if it isn't
 */
export function staleText(app, stale) {
  const parts = Object.entries(stale).map(([reason, count]) => counted(app, app.t(`datasets.stale_${reason}`), count));
  return parts.length ? app.t("datasets.stale", { reasons: parts.join(app.t("judgement.and")) }) : "";
}

function counted(app, text, count) {
  return app.t("datasets.counted", { text, count: number(app, count) });
}

function sum(counts) {
  return Object.values(counts ?? {}).reduce((total, count) => total + count, 0);
}
