/** Whether the conversation follows its end, decided from numbers alone. No DOM. */

const NEAR_PX = 48;

/**
 * @typedef {Object} Position of a scrolling element, in pixels
 * @property {number} scrollTop
 * @property {number} scrollHeight
 * @property {number} clientHeight
 */

/**
 * @param {Position} position
 * @returns {boolean} whether the end is in sight, or nearly
 */
export function isNearEnd({ scrollTop, scrollHeight, clientHeight }) {
  return scrollHeight - scrollTop - clientHeight < NEAR_PX;
}

/**
 * Whether to follow the end after a scroll.
 * @param {boolean} following before it
 * @param {Position} position
 * @param {number} lastTop the former `scrollTop`
 * @returns {boolean}
 */
export function staysAtEnd(following, position, lastTop) {
  if (isNearEnd(position)) return true;
  return following && position.scrollTop >= lastTop; // only upward: content that grows isn't the reader's doing
}
