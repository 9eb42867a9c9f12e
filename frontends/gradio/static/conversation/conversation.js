/** The open conversation: its messages and events. What a person does is in actions.js, drawing in conversation.js. */
import { ApiError } from "../page/api.js";
import { EventStream } from "./event_stream.js";
import { closePopover } from "../widgets/popover.js";
import { StandIns } from "./optimistic_messages.js";
import { Tree } from "./message_tree.js";

const LOAD_AGAIN_MS = 2000;
const LOAD_ANYWAY_MS = 800; // when the event stream is slow to open

/** One at a time; `open` begins anew. */
export class Chat {
  /**
   * @param {Object} app
   * @param {import("./conversation_view.js").ConversationView} view
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
    this.loading = false;
    this.waiting = []; // events that came before the messages that they speak of
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
    this.loading = true;
    try {
      const conversation = await this.app.api.get(`/ui/conversations/${id}`);
      if (this.id === id) this.#fill(conversation);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (this.id === id) this.#loadFailed(error);
    }
  }

  #fill({ messages, ...conversation }) {
    this.#conversation(conversation);
    for (const message of messages) this.standIns.adopt(message);
    const leaf = this.loaded ? this.tree.leaf : (this.wanted ?? conversation.leaf_id);
    const known = leaf !== null && this.tree.get(leaf) ? leaf : null;
    this.tree.show(this.tree.newestLeaf(known));
    const first = !this.loaded;
    this.loaded = true;
    this.loading = false;
    this.draw();
    for (const [name, data] of this.waiting.splice(0)) this.#event(name, data);
    if (first) this.view.arrive(this.wanted);
  }

  #loadFailed(error) {
    if (error.code.endsWith("not_found")) return this.#gone("chat.not_found");
    if (error.status !== 0 && !this.loaded) return this.view.clear("error", this.app.errorText(error));
    const id = this.id;
    setTimeout(() => this.id === id && this.#load(), LOAD_AGAIN_MS);
    void this.#lost();
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
    if (!this.loaded || this.loading) return void this.waiting.push([name, data]);
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
    rated: ({ message_id, rating }) => this.rated(message_id, rating),
    updated: ({ conversation }) => {
      this.#conversation(conversation);
      this.app.emit("list-changed");
    },
    deleted: () => {
      this.#gone("chat.gone");
      this.app.emit("list-changed");
    },
  };

  /**
   * The first message has made a conversation of the first screen.
   * @param {Object} conversation
   */
  begun(conversation) {
    this.id = conversation.id;
    this.app.created(conversation);
    this.#connect(0);
    this.app.emit("list-changed");
  }

  #conversation(conversation) {
    this.app.state.conversation = conversation;
    this.app.emit("conversation-updated", conversation);
  }

  #added(message) {
    const follows = this.#isNext(message);
    this.standIns.adopt(message);
    if (follows) this.tree.show(message.id);
    this.draw();
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
    this.draw();
    this.view.refresh(message.id, this.tree);
    if (before === "pending") this.view.announce(message);
    this.app.emit("list-changed");
  }

  /**
   * @param {string} id
   * @param {Object|null} rating
   */
  rated(id, rating) {
    if (!this.tree.get(id)) return;
    this.tree.add({ ...this.tree.get(id), rating: rating?.verdict === "retracted" ? null : rating });
    this.view.refresh(id, this.tree);
  }

  /** Show what there is now. */
  draw() {
    this.view.render(this.tree);
    this.#changed();
  }

  #changed() {
    this.app.emit("running", this.running ?? null);
  }
}
