/** The tabs of the feedback area, in order. A new one is an entry here and a text `feedback.tab_<name>`. */
import { leaderboardTab } from "./leaderboard/leaderboard_tab.js";
import { reviewTab } from "./review/review_tab.js";
import { statisticsTab } from "./statistics/statistics_tab.js";

/**
 * @typedef {Object} Tab
 * @property {string} name in the page's address
 * @property {(app: Object) => {element: HTMLElement, show: () => void, hide?: () => void}} create `show` is called
 *   whenever it becomes visible
 *
 * @type {Tab[]}
 */
export const TABS = [
  { name: "review", create: reviewTab },
  { name: "statistics", create: statisticsTab },
  { name: "leaderboard", create: leaderboardTab },
];
