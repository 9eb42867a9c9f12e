/** Actions in the open conversation: ask, stop, regenerate, continue, edit, rate, copy. */
import { modelName } from "../models/model_name.js";
import { copyText } from "../page/dom.js";
import { rate } from "./rating.js";
import { showDetails } from "./reply_details.js";

/** What the buttons of the open conversation do. */
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
    this.stopWanted = false;
  }

  /**
   * Ask. The turn is shown at once; when the server refuses, it goes away again and this throws.
   * @param {string} content
   */
  async send(content) {
    const { app, conversation } = this;
    const parent = conversation.tree.leaf;
    const { optimistic } = conversation;
    const draft = app.state.draft;
    const isNew = conversation.id === null;
    optimistic.question(parent, content, app.reference());
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

  // A refused first question leaves no empty conversation behind.
  async #undoNew(draft) {
    await this.app.api.delete(`/api/conversations/${this.conversation.id}`).catch(() => {});
    this.app.state.draft = draft;
    this.app.open(null);
    this.app.emit("list-changed");
  }

  // Asks with the settings that are shown, and adds the answer, unless the person went elsewhere meanwhile.
  async #ask(path, body) {
    const { app, conversation } = this;
    const { optimistic } = conversation;
    this.stopWanted = false;
    await app.settingsSaved();
    const { question, reply } = await app.api.post(path, body);
    if (optimistic !== conversation.optimistic) return;
    if (question) optimistic.adopt(question);
    optimistic.adopt(reply);
    conversation.tree.show(reply.id);
    conversation.draw();
    this.view.follow();
    if (this.stopWanted) void this.stop();
  }

  /** Another reply to the same question. */
  regenerate(message) {
    void this.#again(message, "regenerate", { ...message, content: "", html: "" });
  }

  /** Go on with a reply that ended too early. */
  continue(message) {
    void this.#again(message, "continue", message);
  }

  async #again(message, what, shown) {
    const { app, conversation } = this;
    const { optimistic } = conversation;
    const model_id = app.reference();
    const body = what === "regenerate" ? { model_id } : undefined;
    optimistic.reply(message.parent_id, { ...shown, model_id: body?.model_id ?? message.model_id });
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

  /** Ask a question anew, beside the old one. Throws when the server refuses. */
  async edit(message, content) {
    const body = { content, model_id: this.app.reference() };
    await this.#ask(`/api/messages/${message.id}/edit`, body);
  }

  /** End the running reply. */
  async stop() {
    const message = this.conversation.running;
    if (!message) return;
    this.stopWanted = message.optimistic === true; // its id isn't known yet: as soon as it is
    if (this.stopWanted) return;
    try {
      await this.app.api.post(`/api/messages/${message.id}/stop`);
    } catch (error) {
      if (error.code !== "reply_not_running") this.app.toast(this.app.errorText(error));
    }
  }

  /** Show another version, and let the conversation go on from it. */
  version(message, step) {
    const { app, conversation, view } = this;
    const { list, index } = conversation.tree.versions(message);
    const other = list[index + step];
    if (!other) return;
    conversation.tree.showThrough(other.id);
    view.hold();
    conversation.draw();
    view.focusVersion(other.id, step);
    // Only for the next visit; nothing to tell when it fails.
    app.api.patch(`/api/conversations/${conversation.id}`, { leaf_id: conversation.tree.leaf }).catch(() => {});
  }

  rate(message, verdict, button) {
    const { conversation } = this;
    const show = (rating) => conversation.rated(message.id, rating);
    void rate(this.app, button, conversation.tree.get(message.id), verdict, show);
  }

  details(message, button) {
    showDetails(this.app, button, this.conversation.tree.get(message.id));
  }

  async copy(message, button) {
    this.view.copied(button, await copyText(message.content));
  }

  /** @returns {string} who answers, for the screen reader */
  authorName(message) {
    return modelName(this.app, message.model_id);
  }
}
