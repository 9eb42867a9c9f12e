/** What a person does with comparisons: ask for one, choose, skip, change the choice, withdraw it. */
import { modelName } from "../models/model_name.js";
import { pageHistory } from "../page/page_history.js";
import { showMenu } from "../widgets/menu.js";
import { followed, winnerOf, withChoice, withRanks } from "./judgement.js";
import { rankingOf } from "./regenerated.js";
import { verdictText } from "./verdict_line.js";

const SAMPLES = { mode: "samples", samples: 3 };

/** The handlers of the comparison's controls. */
export class CompareActions {
  /**
   * @param {Object} app
   * @param {Object} parts
   * @param {import("../conversation/open_conversation.js").OpenConversation} parts.conversation
   * @param {import("../conversation/actions.js").Actions} parts.actions
   * @param {import("../conversation/conversation_view.js").ConversationView} parts.view
   * @param {import("./compare_setup.js").CompareSetup} parts.setup
   * @param {import("./compare_row.js").CompareRow} parts.row
   */
  constructor(app, { conversation, actions, view, setup, row }) {
    Object.assign(this, { app, conversation, actions, view, setup, row });
    this.focusComposer = () => {}; // set by main.js
    view.comparison.handlers = this;
    view.verdicts.handlers = this;
    view.better.handlers = this;
    view.corrections.handlers = this;
    this.uncover = null; // to be called when a choice is no longer being changed
    app.on("comparison", (shown) => this.#cover(Boolean(shown?.isChange)));
  }

  // --- asking -------------------------------------------------------------------------------------

  /**
   * Ask a question side by side, as chosen in the composer. Throws when nothing can be compared, or the server refuses.
   * @param {string} content
   */
  async ask(content) {
    await this.actions.send(content, this.setup.contest()); // the focus stays: who types on loses no text and casts no vote
  }

  /** Offer to answer a question again, side by side. */
  offer(question, button) {
    const { app, setup } = this;
    if (this.conversation.running) return app.toast(app.t("composer.wait"));
    const [first, second] = [app.reference(), setup.second()];
    const again = (other) => () => void this.#again(question, other);
    const entries = [
      { icon: "columns", label: app.t("compare.with_another"), act: () => this.row.chooseSecond() },
      { icon: "grip", label: app.t("compare.three_samples"), act: again(SAMPLES) },
    ];
    if (second && second !== first) {
      const label = app.t("compare.again_with", { a: modelName(app, first), b: modelName(app, second) });
      entries.unshift({ icon: "columns", label, act: again({ mode: "models" }) });
    }
    showMenu(button, app.t("compare.again"), entries);
  }

  async #again(question, other) {
    await this.actions.compareAgain(question, this.setup.contest(other));
  }

  // --- choosing -----------------------------------------------------------------------------------

  /**
   * @param {import("./judgement.js").Choice} choice between two replies
   * @param {HTMLElement} [button] that was pressed; none if it was a key
   */
  choose(choice, button) {
    const { comparison } = this.conversation;
    this.#decide(comparison, withChoice(comparison.ranking, choice), button);
  }

  /**
   * @param {Map<string, number>} ranks of all replies
   * @param {HTMLElement} button
   */
  rank(ranks, button) {
    const { comparison } = this.conversation;
    this.#decide(comparison, withRanks(comparison.ranking, ranks), button);
  }

  #decide(comparison, ranking, button) {
    const { rankings } = this.conversation.comparing;
    this.#close(comparison, winnerOf(ranking), button, () => rankings.choose(ranking));
    this.view.say(verdictText(this.app, ranking, comparison.messages));
  }

  /** Close the comparison without a choice. */
  skip(button) {
    const { comparison, comparing } = this.conversation;
    const { id } = comparison.messages[followed(comparison.messages)];
    this.#close(comparison, id, button, () => comparing.rankings.withdraw(comparison.ranking));
  }

  // The reply that is shown from now on is the conversation's branch, unless that goes on already.
  #close(comparison, id, button, send) {
    const { app, conversation } = this;
    if (comparison.isLast) conversation.tree.showThrough(id);
    this.#collapse(comparison, button, send);
    if (!comparison.isLast) return;
    // Remembered for the next visit only, so an error is not shown.
    app.api.patch(`/api/conversations/${conversation.id}`, { leaf_id: conversation.tree.leaf }).catch(() => {});
  }

  // Show one of the replies in place of all.
  #collapse({ index }, button, send = () => {}) {
    const { conversation, view } = this;
    const place = button?.getBoundingClientRect();
    conversation.comparing.changing = null;
    view.hold();
    void send();
    conversation.draw();
    if (place) view.keepClear(conversation.tree.path()[index].id, place);
    this.focusComposer();
  }

  // --- after Regenerate ---------------------------------------------------------------------------

  /**
   * Say whether a new version is better than the one before.
   * @param {string} id
   * @param {string} beforeId
   * @param {import("./regenerated.js").Step} step
   */
  step(id, beforeId, step) {
    this.view.hold();
    void this.conversation.comparing.rankings.choose(rankingOf(id, beforeId, step));
  }

  /** Withdraw what was said of it. */
  takeBack(id, beforeId) {
    const { rankings } = this.conversation.comparing;
    const ranking = rankings.between([id, beforeId]);
    this.view.hold();
    if (ranking) void rankings.withdraw(ranking);
  }

  // --- corrections --------------------------------------------------------------------------------

  /** Withdraw a correction as feedback; the corrected text stays as a version. A toast offers to undo that. */
  async withdrawCorrection(message) {
    const { app } = this;
    const { rankings } = this.conversation.comparing;
    const ranking = rankings.between([message.id, message.corrects_id]);
    this.view.hold();
    if (!ranking || !(await rankings.withdraw(ranking))) return;
    const undo = () => this.restoreCorrection(message);
    app.toast(app.t("correction.withdrawn"), { action: app.t("app.undo"), onAction: undo });
  }

  /** Let a withdrawn correction count again. */
  restoreCorrection(message) {
    this.view.hold();
    // The server knows that these two are a correction.
    const above = { ...rankingOf(message.id, message.corrects_id, "better"), source: "ranking" };
    void this.conversation.comparing.rankings.choose(above);
  }

  // --- afterwards ---------------------------------------------------------------------------------

  /** Show the replies side by side again, to choose anew. */
  change(id, button) {
    const place = button.getBoundingClientRect();
    this.conversation.comparing.changing = id;
    this.view.hold();
    this.conversation.draw();
    this.view.comparison.reveal();
    this.view.comparison.keepClear(place);
    this.view.comparison.focus();
  }

  // On a phone the replies side by side cover what was there; Back leaves them.
  #cover(isChange) {
    if (isChange === Boolean(this.uncover)) return;
    this.uncover?.();
    this.uncover = isChange ? pageHistory.cover(() => this.keep()) : null;
  }

  /** Leave the choice as it is. */
  keep(button) {
    this.#collapse(this.conversation.comparison, button);
  }

  /** Withdraw a choice; a toast offers to undo that. */
  async withdraw(id) {
    const { app } = this;
    const { rankings } = this.conversation.comparing;
    const ranking = rankings.decidedAt(id);
    this.view.hold();
    if (!(await rankings.withdraw(ranking))) return;
    app.toast(app.t("compare.withdrawn"), { action: app.t("app.undo"), onAction: () => void rankings.choose(ranking) });
  }
}
