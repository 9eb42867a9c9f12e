/** The open conversation: its messages, its events, and what a person does in it. Draws nothing itself. */
import { copyText } from "./dom.js";
import { showDetails } from "./details.js";
import { EventStream } from "./events.js";
import { modelName } from "./language.js";
import { closePopover } from "./popover.js";
import { rate } from "./rating.js";
import { StandIns } from "./standins.js";
import { Tree } from "./tree.js";

const LOAD_ANYWAY_MS = 800; // when the event stream is slow to open

/** One at a time; `open` begins anew. */
export class Chat {
  /**
   * @param {Object} app
   * @param {import("./conversation.js").ConversationView} view
   */
  constructor(app, view) {
    this.app = app;
    this.view = view;
    this.stream = null;
    this.#begin(null);
  }

  /** The running reply on the path that is shown, if any. */
  get running() {
    return this.tree.path().find((message) => message.state === "pending");
  }

  /**
   * Show a conversation, or the first screen.
   * @param {string|null} id
   * @param {string} [messageId] scroll to it
   */
  open(id, messageId) {
    closePopover();
    this.stream?.close();
    this.stream = null;
    this.#begin(id);
    this.wanted = messageId ?? null;
    this.app.state.conversation = null;
    this.view.clear(id === null ? "welcome" : "loading");
    if (id !== null) this.#connect(LOAD_ANYWAY_MS);
    this.#changed();
  }

  #begin(id) {
    this.id = id;
    this.tree = new Tree();
    this.standIns = new StandIns(this.tree, (from, to) => this.view.rename(from, to));
    this.loaded = id === null;
    this.waiting = []; // events that came before the messages did
  }

  #connect(loadAfterMs) {
    const id = this.id;
    const mine = (act) => (...args) => this.id === id && act(...args);
    this.stream = new EventStream(`/ui/conversations/${id}/events`, {
      event: mine((name, data) => this.#event(name, data)),
      lost: mine(() => this.#lost()),
      back: mine(() => this.app.emit("connection", true)),
    });
    if (loadAfterMs) setTimeout(mine(() => this.loaded || this.#load()), loadAfterMs);
  }

  async #load() {
    const id = this.id;
    let conversation;
    try {
      conversation = await this.app.api.get(`/ui/conversations/${id}`);
    } catch (error) {
      if (this.id === id) this.#loadFailed(error);
      return;
    }
    if (this.id === id) this.#fill(conversation);
  }

  #fill({ messages, ...conversation }) {
    this.#conversation(conversation);
    for (const message of messages) this.standIns.adopt(message);
    const leaf = this.loaded ? this.tree.leaf : (this.wanted ?? conversation.leaf_id);
    const known = leaf !== null && this.tree.get(leaf) ? leaf : null;
    this.tree.show(this.tree.newestLeaf(known));
    const first = !this.loaded;
    this.loaded = true;
    this.#draw();
    for (const [name, data] of this.waiting.splice(0)) this.#event(name, data);
    if (first) this.view.arrive(this.wanted);
  }

  #loadFailed(error) {
    if (error.code.endsWith("not_found")) this.#gone("chat.not_found");
    else if (error.code !== "unreachable") this.view.clear("error", this.app.errorText(error));
    else this.#lost();
  }

  #gone(key) {
    this.stream?.close();
    this.view.clear("gone", this.app.t(key));
  }

  async #lost() {
    this.app.emit("connection", false);
    try {
      await this.app.api.get(`/api/conversations/${this.id}`);
    } catch (error) {
      if (error.code === "conversation_not_found") {
        this.app.emit("connection", true);
        this.#gone("chat.not_found");
      }
    }
  }

  #event(name, data) {
    if (name === "reset") return this.stream.restart();
    if (name === "snapshot") {
      this.waiting.push(["running", data]);
      return void this.#load();
    }
    if (!this.loaded) return void this.waiting.push([name, data]);
    this.#handle[name]?.(data);
  }

  #handle = {
    running: ({ running }) => {
      for (const { message_id, blocks, position } of running) {
        if (blocks?.length) this.view.patch(message_id, blocks);
        else if (position !== null && position !== undefined) this.view.queued(message_id, position);
      }
    },
    message: ({ message }) => this.#added(message),
    queued: ({ message_id, position }) => this.view.queued(message_id, position),
    started: ({ message_id, dropped_turns }) => {
      if (this.tree.get(message_id)) this.tree.add({ ...this.tree.get(message_id), dropped_turns });
      this.view.queued(message_id, null);
    },
    render: ({ message_id, blocks }) => this.view.patch(message_id, blocks),
    finished: ({ message }) => this.#ended(message),
    error: ({ message, error }) => message && this.#ended({ ...message, error: { ...message.error, ...error } }),
    rated: ({ message_id, rating }) => this.#rated(message_id, rating),
    updated: ({ conversation }) => {
      this.#conversation(conversation);
      this.app.emit("list-changed");
    },
    deleted: () => {
      this.#gone("chat.gone");
      this.app.emit("list-changed");
    },
  };

  #conversation(conversation) {
    this.app.state.conversation = conversation;
    this.app.emit("conversation-updated", conversation);
  }

  #added(message) {
    const follows = this.#isNext(message);
    this.standIns.adopt(message);
    if (follows) this.tree.show(message.id);
    this.#draw();
    if (message.role === "user") this.app.emit("list-changed");
  }

  // What another tab adds is followed where it goes on from here, or answers the same question again.
  #isNext(message) {
    const leaf = this.tree.leaf === null ? null : this.tree.get(this.tree.leaf);
    if (message.parent_id === this.tree.leaf) return true;
    return message.role === "assistant" && leaf?.parent_id === message.parent_id && leaf.state !== "pending";
  }

  #ended(message) {
    const before = this.tree.get(message.id)?.state;
    this.tree.add(message);
    this.#draw();
    this.view.refresh(message.id, this.tree);
    if (before === "pending") this.view.announce(message);
    this.app.emit("list-changed");
  }

  #rated(id, rating) {
    if (!this.tree.get(id)) return;
    this.tree.add({ ...this.tree.get(id), rating: rating?.verdict === "retracted" ? null : rating });
    this.view.refresh(id, this.tree);
  }

  #draw() {
    this.view.render(this.tree);
    this.#changed();
  }

  #changed() {
    this.app.emit("running", this.running ?? null);
  }

  // --- what a person does ------------------------------------------------------------------------

  /**
   * Ask. The turn is shown at once; when the server refuses, it goes away again and this throws.
   * @param {string} content
   */
  async send(content) {
    const parent = this.tree.leaf;
    this.standIns.question(parent, content, this.app.model()?.id);
    this.#draw();
    this.view.follow();
    try {
      const id = this.id ?? (await this.#create());
      const path = `/api/conversations/${id}/messages`;
      await this.#answered(id, parent, this.app.api.post(path, { parent_id: parent, content, model_id: this.app.model()?.id }));
    } finally {
      if (this.standIns.clear()) this.#draw();
    }
  }

  async #create() {
    const conversation = await this.app.api.post("/api/conversations", this.app.newConversation());
    this.id = conversation.id;
    this.app.created(conversation);
    this.#connect(0);
    this.app.emit("list-changed");
    return conversation.id;
  }

  // Adds what a POST answers, unless the person went elsewhere meanwhile.
  async #answered(id, parent, request) {
    const { question, reply } = await request;
    if (this.id !== id) return;
    if (question) this.standIns.adopt(question);
    this.standIns.adopt(reply);
    this.tree.show(reply.id);
    this.#draw();
    this.view.follow();
  }

  /** Another reply to the same question. */
  async regenerate(message) {
    await this.#again(message, "regenerate", { ...message, content: "", html: "" });
  }

  /** Go on with a reply that ended too early. */
  async continue(message) {
    await this.#again(message, "continue", message);
  }

  async #again(message, what, shown) {
    const id = this.id;
    this.standIns.reply(message.parent_id, shown);
    this.#draw();
    this.view.follow();
    const body = what === "regenerate" ? { model_id: this.app.model()?.id } : undefined;
    try {
      await this.#answered(id, message.parent_id, this.app.api.post(`/api/messages/${message.id}/${what}`, body));
    } catch (error) {
      this.app.toast(this.app.errorText(error));
    } finally {
      if (this.id === id && this.standIns.clear()) {
        this.tree.showThrough(message.id);
        this.#draw();
      }
    }
  }

  /** Ask a question anew, beside the old one. Throws when the server refuses. */
  async edit(message, content) {
    await this.#answered(this.id, message.parent_id, this.app.api.post(`/api/messages/${message.id}/edit`, { content }));
  }

  /** End the running reply. */
  async stop() {
    const message = this.running;
    if (!message || message.optimistic) return;
    try {
      await this.app.api.post(`/api/messages/${message.id}/stop`);
    } catch (error) {
      if (error.code !== "reply_not_running") this.app.toast(this.app.errorText(error));
    }
  }

  /** Show another version, and let the conversation go on from it. */
  version(message, step) {
    const { list, index } = this.tree.versions(message);
    const other = list[index + step];
    if (!other) return;
    this.tree.showThrough(other.id);
    this.view.hold();
    this.#draw();
    this.view.focusVersion(other.id, step);
    // Only for the next visit; nothing to tell when it fails.
    this.app.api.patch(`/api/conversations/${this.id}`, { leaf_id: this.tree.leaf }).catch(() => {});
  }

  rate(message, verdict, button) {
    void rate(this.app, button, this.tree.get(message.id), verdict, (rating) => this.#rated(message.id, rating));
  }

  details(message, button) {
    showDetails(this.app, button, this.tree.get(message.id));
  }

  async copy(message, button) {
    this.view.copied(button, await copyText(message.content));
  }

  /** @returns {string} who answers, for the screen reader */
  speaker(message) {
    return modelName(this.app, message.model_id);
  }
}
