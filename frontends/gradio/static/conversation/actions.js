/** Actions on the open conversation: ask, stop, regenerate, continue, edit, rate, copy. */
import { ApiError } from "../page/api.js";
import { copyText } from "../page/dom.js";
import { openRatingBox } from "./rating_box.js";
import { showDetails } from "./reply_details.js";

/** The handlers of the open conversation's buttons. */
export class Actions {
  /**
   * @param {Object} app
   * @param {import("./open_conversation.js").OpenConversation} conversation
   * @param {import("./conversation_view.js").ConversationView} view
   */
  constructor(app, conversation, view) {
    this.app = app;
    this.conversation = conversation;
    this.view = view;
  }

  // Nothing is sent for a model that is not there any more: the composer asks for another one.
  #requireModel() {
    const missing = this.app.missingModel();
    if (missing) throw new ApiError("model_not_found", "", { model_id: missing });
    return this.app.reference();
  }

  /**
   * Ask a question. It is shown at once, and removed again when the server refuses it, in which case this throws.
   * @param {string} content
   * @param {{contenders: Object[], blind: boolean, source: string}} [contest] who answers side by side, in place of one
   */
  async send(content, contest) {
    const { app, conversation } = this;
    const { optimistic } = conversation;
    if (!conversation.loaded) await conversation.whenLoaded; // before, nobody knows what the question follows
    if (!this.#isShown(optimistic)) throw new ApiError("unreachable", "another conversation was opened");
    const model_id = this.#requireModel();
    const parent = conversation.tree.leaf;
    const draft = app.state.draft;
    const isNew = conversation.id === null;
    let { id } = conversation; // another one may be opened meanwhile
    const { comparing, comparison } = conversation;
    comparing.asking = contest ?? null;
    optimistic.question(parent, content, model_id);
    conversation.draw();
    this.view.follow();
    try {
      if (isNew) id = await this.#create(optimistic);
      const path = `/api/conversations/${id}/${contest ? "compare" : "messages"}`;
      await this.#ask(optimistic, path, { parent_id: parent, content, ...(contest ?? { model_id }) });
      if (comparison?.ranking?.open) void comparing.rankings.withdraw(comparison.ranking); // asking anew skips it
    } catch (error) {
      if (isNew && id !== null && error.code !== "unreachable") await this.#undoNew(id, draft);
      throw error;
    } finally {
      comparing.asking = null;
      if (optimistic.clear() && this.#isShown(optimistic)) conversation.draw();
    }
  }

  // Whether the conversation that these messages belong to is still the one on the page.
  #isShown(optimistic) {
    return optimistic === this.conversation.optimistic;
  }

  async #create(optimistic) {
    const created = await this.app.api.post("/api/conversations", this.app.newConversation());
    if (this.#isShown(optimistic)) this.conversation.begun(created);
    return created.id;
  }

  // A refused first question must not leave an empty conversation.
  async #undoNew(id, draft) {
    await this.app.api.delete(`/api/conversations/${id}`).catch(() => {});
    if (this.conversation.id === id) {
      this.app.state.draft = draft;
      this.app.open(null);
    }
    this.app.emit("list-changed");
  }

  // Sends a request with the settings as shown, and adds the response unless another conversation was opened meanwhile.
  async #ask(optimistic, path, body) {
    const { app, conversation } = this;
    await app.settingsSaved();
    const { question, reply, replies = [reply], ranking } = await app.api.post(path, body);
    if (optimistic.stopRequested) for (const { id } of replies) void this.#stop(id);
    if (!this.#isShown(optimistic)) return void app.emit("list-changed");
    if (question) optimistic.adopt(question);
    for (const each of replies) optimistic.adopt(each);
    if (ranking) conversation.comparing.rankings.receive(ranking);
    conversation.tree.show(replies[0].id);
    conversation.draw();
    this.view.follow();
  }

  /** Generate another reply to the same question. */
  regenerate(message) {
    try {
      this.#requireModel();
    } catch (error) {
      return void this.app.toast(this.app.errorText(error));
    }
    void this.#again(message, "regenerate", { ...message, content: "", html: "" });
  }

  /** Continue a reply that ended early. */
  continue(message) {
    void this.#again(message, "continue", message);
  }

  async #again(message, what, shown) {
    const { app, conversation } = this;
    const { optimistic } = conversation;
    const model_id = app.reference();
    const body = what === "regenerate" ? { model_id } : undefined;
    optimistic.reply(message.parent_id, { ...shown, model_id: (!body && message.model_id) || model_id });
    conversation.draw();
    this.view.follow();
    try {
      await this.#ask(optimistic, `/api/messages/${message.id}/${what}`, body);
    } catch (error) {
      app.toast(app.errorText(error));
    } finally {
      if (optimistic.clear() && this.#isShown(optimistic)) {
        conversation.tree.showThrough(message.id);
        conversation.draw();
      }
    }
  }

  /** Send a new version of a question, as a sibling of the old one. Throws when the server refuses it. */
  async edit(message, content) {
    const body = { content, model_id: this.#requireModel() };
    await this.#ask(this.conversation.optimistic, `/api/messages/${message.id}/edit`, body);
  }

  /** Save a person's corrected text of a reply as another version, and show it. Throws when the server refuses it. */
  async correct(message, content) {
    const { app, conversation } = this;
    const { tree } = conversation;
    const corrected = await app.api.post(`/api/messages/${message.id}/correction`, { content });
    if (conversation.tree === tree) conversation.showWhenAdded(corrected);
    app.toast(app.t("correction.saved"));
  }

  /** Answer a question again, side by side. The reply that was shown is shown again when the server refuses it. */
  async compareAgain(question, contest) {
    const { conversation } = this;
    const { optimistic, comparing, comparison } = conversation;
    const before = conversation.tree.leaf;
    comparing.asking = contest;
    optimistic.reply(question.id, { model_id: null, content: "" });
    conversation.draw();
    this.view.follow();
    try {
      await this.#ask(optimistic, `/api/conversations/${conversation.id}/compare`, { message_id: question.id, ...contest });
      if (comparison?.ranking?.open) void comparing.rankings.withdraw(comparison.ranking);
    } catch (error) {
      this.app.toast(this.app.errorText(error));
    } finally {
      comparing.asking = null;
      if (optimistic.clear() && this.#isShown(optimistic)) {
        conversation.tree.show(before);
        conversation.draw();
      }
    }
  }

  /** Stop what is being written: a reply, or all replies of a comparison. */
  async stop() {
    const { optimistic, allRunning } = this.conversation;
    if (allRunning.some((message) => message.optimistic)) optimistic.stopRequested = true; // once the ids are known
    await Promise.all(allRunning.filter((message) => !message.optimistic).map(({ id }) => this.#stop(id)));
  }

  async #stop(id) {
    try {
      await this.app.api.post(`/api/messages/${id}/stop`);
    } catch (error) {
      if (error.code !== "reply_not_running") this.app.toast(this.app.errorText(error));
    }
  }

  /** Show another version of a message and the path below it. */
  version(message, step) {
    const { app, conversation, view } = this;
    const { list, index } = conversation.tree.versions(message);
    const other = list[index + step];
    if (!other) return;
    const top = view.rowTop(message.id);
    conversation.tree.showThrough(other.id);
    view.hold();
    conversation.draw();
    if (conversation.comparison?.isLast) view.comparison.focus();
    else {
      view.putRow(other.id, top);
      view.focusVersion(other.id, step);
    }
    // Remembered for the next visit only, so an error is not shown.
    app.api.patch(`/api/conversations/${conversation.id}`, { leaf_id: conversation.tree.leaf }).catch(() => {});
  }

  /** Rate a reply. A thumb down, and a thumb that is pressed already, open the box with the reasons. */
  rate(message, verdict, button) {
    const { app } = this;
    const { ratings } = this.conversation;
    const isGiven = message.rating?.verdict === verdict;
    if (!isGiven) void ratings.give(message.id, verdict);
    if (isGiven || verdict === "down") {
      openRatingBox(app, ratings, button, message.id, verdict, () => this.view.edit(message.id));
    }
  }

  details(message, button) {
    showDetails(this.app, button, this.conversation.tree.get(message.id));
  }

  hold() {
    this.view.hold();
  }

  async copy(message, button) {
    this.view.copied(button, await copyText(message.content));
  }
}
