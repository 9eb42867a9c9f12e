/** Keeps controls from coming to a place where another one was just pressed. */

const CONTROLS = "button:not([hidden])";

/**
 * @typedef {{top: number, bottom: number, left: number, right: number}} Place in px of the window
 */

/**
 * @param {Place} place
 * @param {Element} element
 * @returns {boolean} whether one of the element's buttons is there now
 */
export function isTaken(place, element) {
  return [...element.querySelectorAll(CONTROLS)].some((button) => touches(place, button.getBoundingClientRect()));
}

/**
 * @param {Place} one
 * @param {Place} other
 * @returns {boolean} whether they overlap
 */
function touches(one, other) {
  const isBeside = one.right <= other.left || other.right <= one.left;
  return !isBeside && one.top < other.bottom && other.top < one.bottom;
}
