/** Places, points and how sure they are, in words. No DOM. */
import { number } from "../../i18n/format.js";
import { playerName } from "../player_name.js";

/** @returns {string} how sure it is that one neighbour is better than the other */
export function neighbourText(app, { better, worse, difference, low, high, verdict }) {
  const values = {
    better: playerName(app, better),
    worse: playerName(app, worse),
    difference: points(app, difference),
    low: points(app, low),
    high: points(app, high),
  };
  return app.t(verdict === "separable" ? "leaderboard.pair_separable" : "leaderboard.pair_not_separable", values);
}

/** @returns {string} the place, and those that are possible: "2 (1–3)" */
export function placeText(app, { rank, rank_best: best, rank_worst: worst }) {
  if (rank === null) return "–";
  if (best === null || best === worst) return number(app, rank);
  return `${number(app, rank)} (${number(app, best)}–${number(app, worst)})`;
}

/** @returns {string} whole points */
export function points(app, value) {
  return number(app, Math.round(value));
}
