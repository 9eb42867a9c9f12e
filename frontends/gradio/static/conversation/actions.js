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
    this.stopRequested = false;
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
   */
  async send(content) {
    const { app, conversation } = this;
    const model_id = this.#requireModel();
    const parent = conversation.tree.leaf;
    const { optimistic } = conversation;
    const draft = app.state.draft;
    const isNew = conversation.id === null;
    optimistic.question(parent, content, model_id);
    conversation.draw();
    this.view.follow();
    try {
      if (isNew) conversation.begun(await app.api.post("/api/conversations", app.newConversation()));
      const body = { parent_id: parent, content, model_id: app.reference() };
      await this.#ask(`/api/conversations/${conversation.id}/messages`, body);
    } catch (error) {
      if (isNew && conversation.id !== null && error.code !== "unreachable") await this.#undoNew(draft);
      throw error;
    } finally {
      if (optimistic.clear() && optimistic === conversation.optimistic) conversation.draw();
    }
  }

  // A refused first question must not leave an empty conversation.
  async #undoNew(draft) {
    await this.app.api.delete(`/api/conversations/${this.conversation.id}`).catch(() => {});
    this.app.state.draft = draft;
    this.app.open(null);
    this.app.emit("list-changed");
  }

  // Sends a request with the settings as shown, and adds the response unless another conversation was opened meanwhile.
  async #ask(path, body) {
    const { app, conversation } = this;
    const { optimistic } = conversation;
    this.stopRequested = false;
    await app.settingsSaved();
    const { question, reply } = await app.api.post(path, body);
    if (optimistic !== conversation.optimistic) return;
    if (question) optimistic.adopt(question);
    optimistic.adopt(reply);
    conversation.tree.show(reply.id);
    conversation.draw();
    this.view.follow();
    if (this.stopRequested) void this.stop();
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
      await this.#ask(`/api/messages/${message.id}/${what}`, body);
    } catch (error) {
      app.toast(app.errorText(error));
    } finally {
      if (optimistic.clear() && optimistic === conversation.optimistic) {
        conversation.tree.showThrough(message.id);
        conversation.draw();
      }
    }
  }

  /** Send a new version of a question, as a sibling of the old one. Throws when the server refuses it. */
  async edit(message, content) {
    const body = { content, model_id: this.#requireModel() };
    await this.#ask(`/api/messages/${message.id}/edit`, body);
  }

  /** Stop the running reply. */
  async stop() {
    const message = this.conversation.running;
    if (!message) return;
    this.stopRequested = message.optimistic === true; // stopped once its id is known
    if (this.stopRequested) return;
    try {
      await this.app.api.post(`/api/messages/${message.id}/stop`);
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
    view.putRow(other.id, top);
    view.focusVersion(other.id, step);
    // Remembered for the next visit only, so an error is not shown.
    app.api.patch(`/api/conversations/${conversation.id}`, { leaf_id: conversation.tree.leaf }).catch(() => {});
  }

  /** Rate a reply. A thumb down, and a thumb that is pressed already, open the box with the reasons. */
  rate(message, verdict, button) {
    const { app } = this;
    const { ratings } = this.conversation;
    const isGiven = message.rating?.verdict === verdict;
    if (!isGiven) void ratings.give(message.id, verdict);
    if (isGiven || verdict === "down") openRatingBox(app, ratings, button, message.id, verdict);
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
