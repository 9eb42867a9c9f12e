/** Decides whether the conversation follows its end. No DOM. */

const NEAR_PX = 48;

/**
 * @typedef {Object} Position of a scrolling element, in pixels
 * @property {number} scrollTop
 * @property {number} scrollHeight
 * @property {number} clientHeight
 */

/**
 * @param {Position} position
 * @returns {boolean} whether the end is visible, or nearly
 */
export function isNearEnd({ scrollTop, scrollHeight, clientHeight }) {
  return scrollHeight - scrollTop - clientHeight < NEAR_PX;
}

/**
 * Whether to follow the end after a scroll.
 * @param {boolean} following before the scroll
 * @param {Position} position
 * @param {number} lastTop the previous `scrollTop`
 * @returns {boolean}
 */
export function staysAtEnd(following, position, lastTop) {
  if (isNearEnd(position)) return true;
  return following && position.scrollTop >= lastTop; // only scrolling up stops it, not growing content
}
