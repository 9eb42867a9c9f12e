/** The selected judgement in full: question, replies in the order in which they were shown, what was said, a decision. */
import { joined, longTime, number } from "../../i18n/format.js";
import { h } from "../../page/dom.js";
import { iconButton, textButton } from "../../widgets/buttons.js";
import { playerName, raterName } from "../player_name.js";

export class ReviewPreview {
  /**
   * @param {Object} app
   * @param {{decide: (decision: string, note: string) => void, open: (item: Object) => void, back: () => void}} on
   */
  constructor(app, on) {
    this.app = app;
    this.on = on;
    this.item = null;
    this.note = h("textarea.p-field.p-review-note", { rows: "2", dir: "auto", onkeydown: (event) => this.#noteKey(event) });
    this.content = h("div.p-review-content");
    this.actions = h("div.p-review-actions");
    this.element = h("section.p-review-preview", {}, this.content, this.actions);
  }

  /** @param {Object|undefined} item as listed, or with whole texts and what became of it */
  draw(item) {
    const { app } = this;
    if (item?.id !== this.item?.id) {
      this.note.value = item?.note ?? "";
      this.content.scrollTop = 0;
    }
    this.item = item;
    this.element.setAttribute("aria-label", app.t("review.preview"));
    this.actions.hidden = !item;
    if (!item) {
      this.content.replaceChildren(h("p.p-area-empty", {}, app.t("review.choose")));
      return;
    }
    this.content.replaceChildren(...this.#parts(item));
    this.#drawActions(item);
  }

  #parts(item) {
    const { app } = this;
    const rater = raterName(app, item.rater);
    const said = app.t("review.said", { kind: app.t(`judgement.${item.kind}`), rater, time: longTime(app, item.judged_at) });
    const back = iconButton("chevron_left", app.t("review.back"), this.on.back, { class: "p-icon p-review-back" });
    const open = h("button.p-link", { type: "button", onclick: () => this.on.open(item) }, app.t("review.open_chat"));
    return [
      h("div.p-review-top", {}, back, h("h2", { dir: "auto" }, item.title || app.t("app.untitled")), open),
      h("p.p-muted", {}, said),
      h("div.p-review-asked", { dir: "auto" }, item.question || app.t("review.no_question")),
      h("div.p-review-replies", {}, ...item.replies.map((reply) => this.#reply(item, reply))),
      ...this.#facts(item),
    ];
  }

  #reply(item, reply) {
    const { app } = this;
    const rank = reply.rank !== null && h("span.p-tag", { dataset: { rank: reply.rank } }, app.t("review.rank", { rank: reply.rank }));
    const name = h("strong", { dir: "auto" }, playerName(app, reply.player));
    const text = h("div.p-review-text", { dir: "auto" }, reply.text || app.t("review.no_text"));
    return h("article.p-review-reply", {}, h("header", {}, name, rank), text);
  }

  #facts(item) {
    const { app } = this;
    const reasons = joined(app, item.reasons.map((name) => app.t(`rating.reason_${name}`)));
    const lines = [
      item.both_bad && app.t("review.both_bad"),
      item.blind && app.t("review.blind"),
      item.score && app.t("review.score", { score: number(app, item.score) }),
      reasons && app.t("review.reasons", { reasons }),
      item.disputed && app.t("review.disputed_long"),
      item.rows && this.#outcome(item),
    ].filter(Boolean);
    const comment = item.comment && h("blockquote.p-review-comment", { dir: "auto" }, item.comment);
    return [comment, lines.length && h("ul.p-review-facts", {}, ...lines.map((line) => h("li", {}, line)))].filter(Boolean);
  }

  #outcome({ rows, dropped }) {
    const { app } = this;
    const reasons = [...new Set(Object.values(dropped))];
    if (rows.length) return app.t("review.used", { rows: joined(app, rows.map((row) => app.t(`judgement.row_${row}`))) });
    return reasons.length ? app.t(`judgement.because_${reasons[0]}`) : app.t("judgement.unused");
  }

  #drawActions({ decision }) {
    const { app } = this;
    const focused = document.activeElement?.dataset?.decision;
    const button = (name, key) => {
      const look = name === "accepted" ? "p-small.p-primary" : "p-small";
      const made = textButton(app.t(key), () => this.on.decide(name, this.note.value.trim()), look);
      made.dataset.decision = name;
      made.setAttribute("aria-pressed", String(decision === name));
      return made;
    };
    this.note.placeholder = app.t("review.note");
    this.note.setAttribute("aria-label", app.t("review.note"));
    const buttons = [button("accepted", "review.accept"), button("excluded", "review.exclude")];
    if (decision !== "open") buttons.push(button("open", "review.reopen"));
    const row = h("div.p-review-buttons", {}, ...buttons, h("span.p-muted.p-review-keys", {}, app.t("review.keys")));
    if (this.actions.firstChild !== this.note) this.actions.append(this.note);
    this.actions.lastChild === this.note ? this.actions.append(row) : this.actions.lastChild.replaceWith(row);
    buttons.find((one) => one.dataset.decision === focused)?.focus({ preventScroll: true });
  }

  /** Escape leaves the note, not the review. */
  #noteKey(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    this.note.blur();
  }
}
