/** Whether a new version of a reply is better than the one before: what can be compared, and what was said. No DOM. */
import { isMute } from "./judgement.js";

/** @typedef {"better"|"same"|"worse"} Step */

const RANKS = { better: [1, 2], same: [1, 1], worse: [2, 1] };

/**
 * @param {import("../conversation/message_tree.js").Message} message
 * @param {{list: import("../conversation/message_tree.js").Message[], index: number}} versions
 * @returns {import("../conversation/message_tree.js").Message|null} the version before that has an answer, if a model
 *   wrote both from the same beginning; null while one of them is written, or if this one failed
 */
export function versionBefore(message, { list, index }) {
  const before = list.slice(0, index).findLast((version) => !isMute(version));
  if (message.role === "user" || isMute(message) || !before) return null;
  const isWritten = [message, before].every(({ state, optimistic }) => state !== "pending" && !optimistic);
  const isByModel = !message.corrects_id && !before.corrects_id;
  return isWritten && isByModel && message.continues_id !== before.id ? before : null;
}

/**
 * @param {string} id of the new version
 * @param {string} beforeId
 * @param {Step} step
 * @returns {import("./judgement.js").Ranking} as it will be once that is stored
 */
export function rankingOf(id, beforeId, step) {
  const items = [id, beforeId].map((message_id, at) => ({ message_id, rank: RANKS[step][at], position: null }));
  const said = { source: "regenerate", items, blind: false, both_bad: false, open: false, withdrawn: false };
  return { ...said, id: null, created_at: new Date().toISOString() };
}

/**
 * @param {import("./judgement.js").Ranking|null} ranking of both
 * @param {string} id of the new version
 * @returns {Step|null} what it says of the new version
 */
export function stepOf(ranking, id) {
  if (!ranking || ranking.both_bad) return null;
  const of = (isNew) => ranking.items.find((item) => (item.message_id === id) === isNew).rank;
  const [rank, rankBefore] = [of(true), of(false)];
  if (rank === rankBefore) return "same";
  return rank < rankBefore ? "better" : "worse";
}
