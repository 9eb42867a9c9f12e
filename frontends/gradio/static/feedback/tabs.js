/** The tabs of the feedback area, in order. */
import { DatasetsView } from "../datasets/datasets_view.js";
import { h } from "../page/dom.js";
import { leaderboardTab } from "./leaderboard/leaderboard_tab.js";
import { reviewTab } from "./review/review_tab.js";
import { statisticsTab } from "./statistics/statistics_tab.js";

/**
 * @typedef {Object} Tab
 * @property {string} name in the page's address
 * @property {string} title the key of its text
 * @property {(app: Object) => {element: HTMLElement, show: () => void, hide?: () => void}} create `show` is called
 *   whenever it becomes visible
 *
 * @type {Tab[]}
 */
export const TABS = [
  { name: "review", title: "feedback.tab_review", create: reviewTab },
  { name: "statistics", title: "feedback.tab_statistics", create: statisticsTab },
  { name: "leaderboard", title: "feedback.tab_leaderboard", create: leaderboardTab },
  { name: "datasets", title: "datasets.title", create: datasetsTab },
];

function datasetsTab(app) {
  const view = new DatasetsView(app);
  return { element: h("div.p-figures", {}, view.element), show: () => void view.open() };
}
