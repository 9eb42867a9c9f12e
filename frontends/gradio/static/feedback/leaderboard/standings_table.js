/** One group of players that were compared with each other: a table, best first, and which neighbours can be told apart. */
import { number } from "../../i18n/format.js";
import { h } from "../../page/dom.js";
import { dataTable } from "../data_table.js";
import { intervalBar } from "../interval_bar.js";
import { playerName } from "../player_name.js";
import { scaleOf } from "../scale.js";
import { neighbourText, placeText, points } from "./standing_words.js";

const HEADS = ["place", "player", "points", "interval", "record", "both_bad", "verdict"];

/**
 * @param {Object} app
 * @param {Object} group see docs/api.md
 * @param {string} title
 * @returns {HTMLElement}
 */
export function standingsTable(app, group, title) {
  const scale = scaleOf(group.standings);
  const heads = HEADS.map((name) => app.t(`leaderboard.${name}`));
  const table = dataTable(title, heads, group.standings.map((standing) => row(app, standing, scale)));
  const pairs = group.neighbours.map((pair) => h("li", {}, neighbourText(app, pair)));
  return h("section.p-board", {}, table, pairs.length > 0 && h("ul.p-board-pairs", {}, ...pairs));
}

function row(app, standing, scale) {
  const { rating, rating_low: low, rating_high: high } = standing;
  const between = rating === null ? "–" : app.t("leaderboard.between", { low: points(app, low), high: points(app, high) });
  const bar = rating !== null && intervalBar({ value: rating, low, high }, scale, 1000);
  return [
    placeText(app, standing),
    h("span", { dir: "auto" }, playerName(app, standing.player)),
    rating === null ? "–" : points(app, rating),
    h("span.p-bar-cell", { title: between }, bar, h("span.p-offscreen", {}, between)),
    recordText(app, standing),
    number(app, standing.both_bad_rate, { style: "percent", maximumFractionDigits: 0 }),
    app.t(`leaderboard.verdict_${standing.verdict}`),
  ];
}

function recordText(app, { wins, losses, ties, raters }) {
  const values = { wins: number(app, wins), losses: number(app, losses), ties: number(app, ties) };
  return h("span", { title: app.t("leaderboard.raters", { count: number(app, raters) }) }, app.t("leaderboard.record_of", values));
}
