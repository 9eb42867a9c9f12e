/** What a ranking says: in which order its replies were shown, who won, and what is sent for a choice. No DOM. */

/**
 * @typedef {Object} RankedItem
 * @property {string} message_id
 * @property {number|null} rank 1 is best, equal ranks are ties
 * @property {number|null} position from 0 (left)
 *
 * @typedef {Object} Ranking see docs/api.md
 * @property {string} id
 * @property {RankedItem[]} items
 * @property {string} source
 * @property {boolean} blind
 * @property {boolean} both_bad
 * @property {boolean} open
 * @property {boolean} withdrawn
 *
 * @typedef {"left"|"right"|"tie"|"both_bad"} Choice between two replies
 */

const LETTERS = "ABCDEFGHIJ";
const SOURCES = new Set(["side_by_side", "ranking"]);
const PAIR_RANKS = { left: [1, 2], right: [2, 1], tie: [1, 1], both_bad: [null, null] };

/** @returns {string} how the reply at this position is named while its model is hidden */
export function letter(position) {
  return LETTERS[position];
}

/** @returns {boolean} whether its replies were shown side by side, to be compared here */
export function wasShown({ source, items }) {
  return SOURCES.has(source) && items.every((item) => item.position !== null);
}

/**
 * @param {Ranking} ranking
 * @returns {RankedItem[]} as they were shown, from the left
 */
export function asShown(ranking) {
  return [...ranking.items].sort((one, other) => one.position - other.position);
}

/** @returns {boolean} whether a reply has ended without an answer, as one that failed: it can't be compared */
export function isMute({ state, content }) {
  return state !== "pending" && !content;
}

/**
 * @param {(Object|null)[]} messages replies from the left; null while one is not known yet
 * @returns {number} which of them the conversation follows as long as nothing is chosen: the leftmost one with an answer
 */
export function followed(messages) {
  return Math.max(0, messages.findIndex((message) => !message || !isMute(message)));
}

/**
 * @param {Ranking} ranking of two replies
 * @param {Choice} choice
 * @returns {Ranking} as it will be once that is stored
 */
export function withChoice(ranking, choice) {
  const ranks = PAIR_RANKS[choice];
  const items = asShown(ranking).map((item, at) => ({ ...item, rank: ranks[at] }));
  return { ...ranking, items, both_bad: choice === "both_bad", open: false };
}

/**
 * @param {Ranking} ranking
 * @param {Map<string, number>} ranks message id → rank
 * @returns {Ranking} as it will be once that is stored
 */
export function withRanks(ranking, ranks) {
  const items = asShown(ranking).map((item) => ({ ...item, rank: ranks.get(item.message_id) }));
  return { ...ranking, items, both_bad: false, open: false };
}

/**
 * @param {Ranking} ranking of two replies
 * @returns {Choice|null} null while it is open
 */
export function choiceOf(ranking) {
  if (ranking.both_bad) return "both_bad";
  const [left, right] = asShown(ranking).map((item) => item.rank);
  if (left === null || right === null) return null;
  if (left === right) return "tie";
  return left < right ? "left" : "right";
}

/**
 * @param {Ranking} ranking
 * @returns {string} the best reply's id; of several, or without ranks, the leftmost one's
 */
export function winnerOf(ranking) {
  const items = asShown(ranking);
  const best = Math.min(...items.map((item) => item.rank ?? Infinity));
  return items.find((item) => (item.rank ?? Infinity) === best).message_id;
}

/**
 * @param {Ranking} ranking
 * @returns {Object} the body of POST /api/rankings
 */
export function asRequest({ source, items, blind, both_bad }) {
  const sent = items.map(({ message_id, rank, position }) => ({ message_id, rank, position }));
  return { source, items: sent, blind, both_bad };
}
