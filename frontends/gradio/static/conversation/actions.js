/** What a person does in the open conversation: ask, stop, ask again, edit, judge, copy. */
import { showDetails } from "./reply_details.js";
import { copyText } from "../page/dom.js";
import { modelName } from "../i18n/language.js";
import { rate } from "./rating.js";

/** The buttons' side of a Chat. */
export class Actions {
  /**
   * @param {Object} app
   * @param {import("./conversation.js").Chat} chat
   * @param {import("./conversation_view.js").ConversationView} view
   */
  constructor(app, chat, view) {
    this.app = app;
    this.chat = chat;
    this.view = view;
    this.stopWanted = false;
  }

  /**
   * Ask. The turn is shown at once; when the server refuses, it goes away again and this throws.
   * @param {string} content
   */
  async send(content) {
    const { app, chat } = this;
    const parent = chat.tree.leaf;
    const { standIns } = chat;
    const draft = app.state.draft;
    const isNew = chat.id === null;
    standIns.question(parent, content, app.reference());
    chat.draw();
    this.view.follow();
    try {
      if (isNew) chat.begun(await app.api.post("/api/conversations", app.newConversation()));
      const body = { parent_id: parent, content, model_id: app.reference() };
      await this.#answered(app.api.post(`/api/conversations/${chat.id}/messages`, body));
    } catch (error) {
      if (isNew && chat.id !== null && error.code !== "unreachable") await this.#undoNew(draft);
      throw error;
    } finally {
      if (standIns.clear() && standIns === chat.standIns) chat.draw();
    }
  }

  // A refused first question leaves no empty conversation behind.
  async #undoNew(draft) {
    await this.app.api.delete(`/api/conversations/${this.chat.id}`).catch(() => {});
    this.app.state.draft = draft;
    this.app.open(null);
    this.app.emit("list-changed");
  }

  // Adds what a POST answers, unless the person went elsewhere meanwhile.
  async #answered(request) {
    const { chat } = this;
    const { standIns } = chat;
    this.stopWanted = false;
    const { question, reply } = await request;
    if (standIns !== chat.standIns) return;
    if (question) standIns.adopt(question);
    standIns.adopt(reply);
    chat.tree.show(reply.id);
    chat.draw();
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
    const { app, chat } = this;
    const { standIns } = chat;
    const model_id = app.reference();
    const body = what === "regenerate" ? { model_id } : undefined;
    standIns.reply(message.parent_id, { ...shown, model_id: body?.model_id ?? message.model_id });
    chat.draw();
    this.view.follow();
    try {
      await this.#answered(app.api.post(`/api/messages/${message.id}/${what}`, body));
    } catch (error) {
      app.toast(app.errorText(error));
    } finally {
      if (standIns.clear() && standIns === chat.standIns) {
        chat.tree.showThrough(message.id);
        chat.draw();
      }
    }
  }

  /** Ask a question anew, beside the old one. Throws when the server refuses. */
  async edit(message, content) {
    const body = { content, model_id: this.app.reference() };
    await this.#answered(this.app.api.post(`/api/messages/${message.id}/edit`, body));
  }

  /** End the running reply. */
  async stop() {
    const message = this.chat.running;
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
    const { app, chat, view } = this;
    const { list, index } = chat.tree.versions(message);
    const other = list[index + step];
    if (!other) return;
    chat.tree.showThrough(other.id);
    view.hold();
    chat.draw();
    view.focusVersion(other.id, step);
    // Only for the next visit; nothing to tell when it fails.
    app.api.patch(`/api/conversations/${chat.id}`, { leaf_id: chat.tree.leaf }).catch(() => {});
  }

  rate(message, verdict, button) {
    const { chat } = this;
    void rate(this.app, button, chat.tree.get(message.id), verdict, (rating) => chat.rated(message.id, rating));
  }

  details(message, button) {
    showDetails(this.app, button, this.chat.tree.get(message.id));
  }

  async copy(message, button) {
    this.view.copied(button, await copyText(message.content));
  }

  /** @returns {string} who answers, for the screen reader */
  speaker(message) {
    return modelName(this.app, message.model_id);
  }
}
