/** The tabs of the feedback area, in order. */
import { DatasetsView } from "../datasets/datasets_view.js";
import { isAdmin } from "../account/who.js";
import { h } from "../page/dom.js";
import { leaderboardTab } from "./leaderboard/leaderboard_tab.js";
import { reviewTab } from "./review/review_tab.js";
import { statisticsTab } from "./statistics/statistics_tab.js";

/** @type {import("../page/area.js").Tab[]} */
export const FEEDBACK_TABS = [
  { name: "review", title: "feedback.tab_review", create: reviewTab, offered: isAdmin },
  { name: "statistics", title: "feedback.tab_statistics", create: statisticsTab, offered: isAdmin },
  { name: "leaderboard", title: "feedback.tab_leaderboard", create: leaderboardTab, offered: isAdmin },
  { name: "datasets", title: "datasets.title", create: datasetsTab, offered: isAdmin },
];

function datasetsTab(app) {
  const view = new DatasetsView(app);
  return { element: h("div.p-figures", {}, view.element), show: () => void view.open() };
}
