/** Scales of drawings. No DOM. */

/** @returns {number} where a number is on a scale: 0 at its left end, 1 at its right end, never outside */
export function place(number, [from, to]) {
  return to > from ? Math.min(1, Math.max(0, (number - from) / (to - from))) : 0.5;
}

/** @returns {[number, number]} the points that the ends stand for: those of ranked players, if there are any */
export function scaleOf(standings) {
  const rated = standings.filter(({ rating, rank }) => rating !== null && rank !== null);
  const known = rated.length ? rated : standings.filter(({ rating }) => rating !== null);
  if (!known.length) return [0, 1];
  return [Math.min(...known.map((one) => one.rating_low)), Math.max(...known.map((one) => one.rating_high))];
}
