/** Which replies of the open conversation are shown side by side: those that wait for a choice. No DOM. */
import { asShown } from "./judgement.js";
import { Rankings } from "./rankings.js";
import { versionBefore } from "./regenerated.js";

/** The rankings of one conversation, and what of them is shown. */
export class CurrentComparison {
  /**
   * @param {Object} app
   * @param {import("../conversation/message_tree.js").MessageTree} tree
   * @param {() => void} changed draws the conversation again
   */
  constructor(app, tree, changed) {
    this.tree = tree;
    this.rankings = new Rankings(app, changed);
    /** @type {{contenders: Object[], blind: boolean}|null} what is being asked for, until the server has answered */
    this.asking = null;
    /** @type {string|null} a reply whose ranking is being changed */
    this.changing = null;
  }

  /**
   * The comparison in a path. One that waits for a choice is shown while nothing follows it.
   * @param {import("../conversation/message_tree.js").Message[]} path
   * @returns {(import("./comparison_view.js").Comparison & {index: number, isLast: boolean})|null}
   */
  at(path) {
    return this.#changed(path) ?? this.#open(path) ?? this.#expected(path);
  }

  #changed(path) {
    const ranking = this.changing && this.rankings.decidedAt(this.changing);
    const messages = ranking && this.#messages(ranking);
    const index = messages ? path.findIndex((message) => messages.includes(message)) : -1;
    if (index < 0) return null;
    return { ranking, messages, index, isLast: index === path.length - 1, isMasked: false, isChange: true };
  }

  #open(path) {
    const index = path.length - 1;
    const ranking = index >= 0 ? this.rankings.openAt(path[index].id) : null;
    const messages = ranking && this.#messages(ranking);
    if (!messages) return null;
    return { ranking, messages, index, isLast: true, isMasked: ranking.blind, isChange: false };
  }

  #expected(path) {
    const last = path.at(-1);
    if (!this.asking || last?.role !== "assistant" || last.state !== "pending") return null;
    const messages = this.asking.contenders.map(() => null);
    const index = path.length - 1;
    return { ranking: null, messages, index, isLast: true, isMasked: this.asking.blind, isChange: false };
  }

  /** The replies from the left; null while some are not known yet. */
  #messages(ranking) {
    const messages = asShown(ranking).map((item) => this.tree.get(item.message_id));
    return messages.every(Boolean) ? messages : null;
  }

  /**
   * What can be said of a new version of a reply: whether it is better than the one before. Not of replies that were
   * shown side by side, which were compared there.
   * @param {import("../conversation/message_tree.js").Message} message
   * @returns {{id: string, beforeId: string, ranking: import("./judgement.js").Ranking|null}|null}
   */
  regenerated(message) {
    const before = versionBefore(message, this.tree.versions(message));
    if (!before || this.rankings.wasCompared(message.id)) return null; // who skipped that is not asked once more
    return { id: message.id, beforeId: before.id, ranking: this.rankings.between([message.id, before.id]) };
  }

  /**
   * What is known of a person's corrected reply: the original, and whether the correction counts or was withdrawn.
   * @param {import("../conversation/message_tree.js").Message} message
   * @returns {{original: import("../conversation/message_tree.js").Message|undefined, isCounted: boolean}|null}
   */
  correction({ id, corrects_id }) {
    if (!corrects_id) return null;
    const isCounted = this.rankings.between([id, corrects_id]) !== null;
    return { original: this.tree.get(corrects_id), isCounted };
  }

  /**
   * What was chosen between a reply and others.
   * @param {string} messageId
   * @returns {[import("./judgement.js").Ranking|null, import("../conversation/message_tree.js").Message[]]}
   */
  verdictOn(messageId) {
    const ranking = this.rankings.decidedAt(messageId);
    const messages = ranking && this.#messages(ranking);
    return messages ? [ranking, messages] : [null, []];
  }
}
