/** Compares JSON data, to draw only what changed. */

/**
 * @param {Object|null|undefined} known
 * @param {Object} next
 * @returns {boolean} whether any field of `next` differs from the same field of `known`
 */
export function hasNews(known, next) {
  return !known || Object.entries(next).some(([key, value]) => !same(known[key], value));
}

/**
 * @param {any} one JSON data
 * @param {any} other
 * @returns {boolean} whether both are equal, whatever the order of the fields
 */
export function same(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && same(one[key], other[key]));
}
