/** One judgement in the review's list: what it says, about which question, and what was decided about it. */
import { joined, shortTime } from "../../i18n/format.js";
import { h } from "../../page/dom.js";
import { icon } from "../../widgets/icons.js";
import { playerName } from "../player_name.js";

const ICONS = { up: "thumb_up", down: "thumb_down" };

/**
 * @param {Object} app
 * @param {import("./review_state.js").Listed} item
 * @param {{selected: boolean, onclick: () => void}} options
 * @returns {HTMLElement}
 */
export function reviewRow(app, item, { selected, onclick }) {
  const players = [...new Set(item.replies.map(({ player }) => playerName(app, player)))];
  const tags = [
    item.decision !== "open" && h("span.p-tag", { dataset: { decision: item.decision } }, app.t(`review.decision_${item.decision}`)),
    item.disputed && h("span.p-tag", {}, app.t("review.disputed")),
  ];
  const head = h(
    "span.p-review-head",
    {},
    h("span.p-review-kind", { dataset: { kind: item.kind } }, icon(ICONS[item.kind] ?? "rank"), app.t(`judgement.${item.kind}`)),
    h("span.p-muted", {}, shortTime(app, item.judged_at)),
  );
  const question = h("span.p-review-question", { dir: "auto" }, item.question || app.t("review.no_question"));
  const foot = h("span.p-review-foot", {}, h("span.p-muted", { dir: "auto" }, joined(app, players)), ...tags);
  const attrs = { type: "button", dataset: { judgement: item.id }, "aria-current": selected ? "true" : false, onclick };
  return h("li", {}, h("button.p-review-row", attrs, head, question, foot));
}
