/** The order that a person gives to replies, with ties. No DOM. */

/**
 * @typedef {Object} Place
 * @property {string} id of the reply
 * @property {boolean} tied whether it is as good as the one before it; never the first one
 *
 * @typedef {readonly Place[]} Order best first
 */

/**
 * @param {{message_id: string, rank: number|null}[]} items as shown
 * @returns {Order} by rank, or as shown where there are no ranks yet
 */
export function orderOf(items) {
  if (items.some((item) => item.rank === null)) return items.map((item) => ({ id: item.message_id, tied: false }));
  return byRank(new Map(items.map((item) => [item.message_id, item.rank])));
}

/**
 * @param {Order} order
 * @returns {Map<string, number>} reply → rank: 1 is best, and no rank is left out
 */
export function ranksOf(order) {
  let rank = 0;
  return new Map(order.map(({ id, tied }) => [id, tied ? rank : (rank += 1)]));
}

/**
 * Move a reply. Between two that are equal, it becomes equal to both.
 * @param {Order} order
 * @param {string} id
 * @param {number} to its new index; one outside the order means the first or the last
 * @returns {Order}
 */
export function move(order, id, to) {
  const from = order.findIndex((place) => place.id === id);
  const target = Math.min(Math.max(to, 0), order.length - 1);
  if (target === from) return order;
  const rest = order.filter((place) => place.id !== id);
  const next = order[from + 1];
  // Those that were equal to the first of a group stay equal to each other.
  if (next && !order[from].tied) rest[from] = { ...next, tied: false };
  const joins = rest[target]?.tied ?? false;
  return rest.toSpliced(target, 0, { id, tied: joins });
}

/**
 * Give a reply a rank; those that have it already are then equal to it.
 * @param {Order} order
 * @param {string} id
 * @param {number} rank
 * @returns {Order}
 */
export function setRank(order, id, rank) {
  return byRank(new Map([...ranksOf(order)].map(([other, now]) => [other, other === id ? rank : now])));
}

/**
 * Make a reply as good as the one before it, or worse again.
 * @param {Order} order
 * @param {string} id
 * @returns {Order}
 */
export function toggleTie(order, id) {
  return order.map((place, at) => (place.id === id && at > 0 ? { id, tied: !place.tied } : place));
}

function byRank(ranks) {
  const sorted = [...ranks].sort(([, one], [, other]) => one - other);
  return sorted.map(([id, rank], at) => ({ id, tied: at > 0 && sorted[at - 1][1] === rank }));
}
