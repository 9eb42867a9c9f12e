/** What the leaderboard found in the votes, as sentences in the page's language. No DOM. */
import { joined, number } from "../../i18n/format.js";
import { playerName, raterName } from "../player_name.js";

/**
 * @typedef {Object} Finding see docs/api.md
 * @property {string} defect
 * @property {string} message in English
 * @property {Object<string, number>} figures
 * @property {string[]} players
 * @property {string|null} rater
 */

/**
 * @param {Object} app
 * @param {Finding} finding
 * @param {{id: string, name: string}[]} raters known people
 * @returns {string}
 */
export function findingText(app, finding, raters = []) {
  const write = SENTENCES[finding.defect];
  return write ? write(app, finding, raters) : finding.message;
}

const SENTENCES = {
  position_bias: (app, { figures }) => bias(app, "position", figures, figures.win_share >= 0.5 ? "first" : "second"),
  length_bias: (app, { figures }) => bias(app, "length", figures, figures.coefficient > 0 ? "longer" : "shorter"),
  flooding: (app, { figures, rater }, raters) => {
    const key = figures.disagrees ? "finding.flooding_differently" : "finding.flooding";
    const values = { ...counts(app, figures), rater: who(raters, rater, app), share: percent(app, figures.share) };
    return app.t(key, { ...values, decided: number(app, figures.lost + figures.kept) });
  },
  cycle: (app, { figures, players }) => {
    const [one, two, three] = players.map((player) => playerName(app, player));
    const shares = { share_1: percent(app, figures.share_1), share_2: percent(app, figures.share_2), share_3: percent(app, figures.share_3) };
    return app.t("finding.cycle", { one, two, three, ...shares });
  },
  copied_votes: (app, { figures, rater }, raters) =>
    app.t("finding.copied_votes", { ...counts(app, figures), rater: who(raters, rater, app) }),
  one_sided_ties: (app, { figures, players }) => {
    if (!players.length) {
      const shares = { weaker: percent(app, figures.tie_share_first_weaker), stronger: percent(app, figures.tie_share_first_stronger) };
      return app.t("finding.ties_by_side", shares);
    }
    const shares = { share: percent(app, figures.tie_share), usual: percent(app, figures.expected_share) };
    return app.t("finding.ties_of_player", { player: playerName(app, players[0]), ...shares });
  },
  possibly_renamed: (app, { figures, players }) => {
    const [before, after] = players.map((player) => playerName(app, player));
    return app.t("finding.possibly_renamed", { before, after, points: number(app, Math.round(figures.difference)) });
  },
  too_few_votes: (app, { figures, players }) =>
    app.t("finding.too_few_votes", { players: named(app, players), needed: number(app, figures.needed) }),
  disconnected: (app, { figures }) => app.t("finding.disconnected", { groups: number(app, figures.groups) }),
};

function bias(app, name, figures, side) {
  const share = Math.max(figures.win_share, 1 - figures.win_share);
  return app.t(`finding.${name}_bias_${side}`, { share: percent(app, share), votes: number(app, figures.votes) });
}

function who(raters, id, app) {
  return raterName(app, raters.find((rater) => rater.id === id) ?? { id, name: "" });
}

function named(app, players) {
  return joined(app, players.map((player) => playerName(app, player)));
}

function counts(app, figures) {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, number(app, Math.round(value))]));
}

function percent(app, share) {
  return number(app, share, { style: "percent", maximumFractionDigits: 0 });
}
