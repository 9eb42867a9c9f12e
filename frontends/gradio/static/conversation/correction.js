/** The line under a corrected reply: what a person changed, and whether that counts as feedback. */
import { h } from "../page/dom.js";
import { textDiff } from "./text_diff.js";

const TAGS = { same: "span", removed: "del", added: "ins" };

/** Keeps the line of each corrected reply. */
export class CorrectionLines {
  /**
   * @param {Object} app
   */
  constructor(app) {
    this.app = app;
    this.handlers = null; // the CompareActions, set by main.js
  }

  /**
   * Show the line in a reply's element, if it is a corrected one.
   * @param {HTMLElement} element
   * @param {import("./message_tree.js").Message} message
   * @param {{original: import("./message_tree.js").Message|undefined, isCounted: boolean}|null} correction
   */
  show(element, message, correction) {
    if (!correction) return;
    const { app } = this;
    const looks = `${app.state.language} ${correction.isCounted} ${Boolean(correction.original)}`;
    const line = element.querySelector(".p-correction-line");
    if (line?.dataset.looks === looks) return;
    const shown = h("div.p-correction-line", { dataset: { looks } }, this.#changes(message, correction.original));
    shown.append(this.#counting(message, correction.isCounted));
    if (line) line.replaceWith(shown);
    else element.append(shown);
  }

  #changes(corrected, original) {
    const { app } = this;
    if (!original) return h("p.p-note.p-note-quiet", {}, app.t("correction.by_person"));
    const text = h("div.p-diff", { dir: "auto" });
    const details = h("details.p-correction", {}, h("summary", {}, app.t("correction.changes")), text);
    details.addEventListener("toggle", () => {
      if (details.open && !text.firstChild) text.append(...drawn(original.content, corrected.content));
    });
    return details;
  }

  #counting(message, isCounted) {
    const { app, handlers } = this;
    const onclick = () => (isCounted ? handlers.withdrawCorrection(message) : handlers.restoreCorrection(message));
    const key = isCounted ? "correction.withdraw" : "correction.restore";
    return h("button.p-verdict-act", { type: "button", onclick }, app.t(key));
  }
}

function drawn(before, after) {
  return textDiff(before, after).map(({ kind, text }) => h(TAGS[kind], {}, text));
}
