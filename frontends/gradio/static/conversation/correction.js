/** What is shown of a corrected reply: that a person wrote it, and what they changed. */
import { h } from "../page/dom.js";
import { textDiff } from "./text_diff.js";

const TAGS = { same: "span", removed: "del", added: "ins" };

/**
 * @param {Object} app
 * @param {import("./message_tree.js").Message} corrected
 * @param {import("./message_tree.js").Message|undefined} original
 * @returns {HTMLElement}
 */
export function correctionNote(app, corrected, original) {
  if (!original) return h("p.p-note.p-note-quiet", {}, app.t("correction.by_person"));
  const text = h("div.p-diff", { dir: "auto" });
  const details = h("details.p-correction", {}, h("summary", {}, app.t("correction.changes")), text);
  details.addEventListener("toggle", () => {
    if (details.open && !text.firstChild) text.append(...drawn(original.content, corrected.content));
  });
  return details;
}

function drawn(before, after) {
  return textDiff(before, after).map(({ kind, text }) => h(TAGS[kind], {}, text));
}
