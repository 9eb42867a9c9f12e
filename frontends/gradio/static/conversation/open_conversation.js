/** The open conversation: loads its messages and applies its events. Drawing is in conversation_view.js. */
import { ApiError } from "../page/api.js";
import { CurrentComparison } from "../comparison/current_comparison.js";
import { followed, winnerOf } from "../comparison/judgement.js";
import { hasNews } from "../page/compare.js";
import { closePopover } from "../widgets/popover.js";
import { EventStream } from "./event_stream.js";
import { MessageTree } from "./message_tree.js";
import { OptimisticMessages } from "./optimistic_messages.js";
import { Ratings } from "./ratings.js";

const RETRY_MS = 2000;
const LOAD_ANYWAY_MS = 800; // when the event stream is slow to open

/** One conversation at a time; `open` replaces it. */
export class OpenConversation {
  #letAsk = () => {};

  /**
   * @param {Object} app
   * @param {import("./conversation_view.js").ConversationView} view
   */
  constructor(app, view) {
    this.app = app;
    this.view = view;
    this.stream = null;
    this.loads = 0;
    const current = (id) => this.tree.get(id)?.rating ?? null;
    this.ratings = new Ratings(app, current, (id, rating) => this.#showRating(id, rating));
    this.#begin(null);
  }

  /** The running replies that are shown: one, or those of a comparison. */
  get allRunning() {
    const shown = [...this.tree.path(), ...(this.comparison?.messages ?? [])];
    return [...new Set(shown)].filter((message) => message?.state === "pending");
  }

  /** The first of them, if any. */
  get running() {
    return this.allRunning[0];
  }

  /** The comparison that is shown, if any. */
  get comparison() {
    return this.comparing.at(this.tree.path());
  }

  /**
   * Show a conversation, or the welcome screen (null).
   * @param {string|null} id
   * @param {{message_id: string, snippet: string, ranges: [number, number][]}} [match] scroll to it
   */
  open(id, match) {
    closePopover();
    this.stream?.close();
    this.stream = null;
    this.#begin(id);
    this.wanted = match?.message_id ? match : null;
    this.app.state.conversation = null;
    this.view.clear(id === null ? "welcome" : "loading");
    if (id !== null) this.#connect(LOAD_ANYWAY_MS);
    this.#changed();
  }

  #begin(id) {
    this.id = id;
    this.tree = new MessageTree();
    this.optimistic = new OptimisticMessages(this.tree, (from, to) => this.view.rename(from, to));
    const comparing = new CurrentComparison(this.app, this.tree, () => this.comparing === comparing && this.draw());
    this.comparing = comparing;
    this.#letAsk(); // who waits for the former conversation
    this.whenLoaded = id === null ? Promise.resolve() : new Promise((resolve) => (this.#letAsk = resolve));
    this.loaded = id === null;
    this.loading = false;
    this.upToDate = false; // whether every event since the messages were loaded has been received
    this.expected = null; // the id of a message that is shown as soon as it is there
    this.waiting = []; // events received before the messages were loaded
  }

  #connect(loadAfterMs) {
    const id = this.id;
    const ifOpen =
      (act) =>
      (...args) =>
        this.id === id && act(...args);
    this.stream = new EventStream(`/ui/conversations/${id}/events`, {
      event: ifOpen((name, data) => this.#event(name, data)),
      lost: ifOpen(() => this.#lost()),
      back: ifOpen(() => this.app.emit("connection", true)),
    });
    if (loadAfterMs)
      setTimeout(
        ifOpen(() => this.loaded || this.loading || this.#load()),
        loadAfterMs,
      );
  }

  async #load() {
    const id = this.id;
    this.loading = true;
    this.loads += 1;
    const number = this.loads;
    const isLatest = () => this.id === id && this.loads === number; // an older answer must not undo a newer one
    try {
      const conversation = await this.app.api.get(`/ui/conversations/${id}`);
      if (isLatest()) this.#fill(conversation);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (isLatest()) this.#loadFailed(error);
    }
  }

  #fill({ messages, rankings = [], ...conversation }) {
    this.#update(conversation);
    this.comparing.rankings.fill(rankings);
    for (const message of messages) this.optimistic.adopt(message);
    const leaf = this.loaded ? this.tree.leaf : (this.wanted?.message_id ?? conversation.leaf_id);
    const known = leaf !== null && this.tree.get(leaf) ? leaf : null;
    this.tree.show(this.tree.newestLeaf(known));
    const first = !this.loaded;
    this.loaded = true;
    this.#letAsk();
    this.loading = false;
    this.draw();
    this.#applyWaiting();
    if (first) this.view.arrive(this.wanted?.message_id ?? null, this.wanted);
  }

  #loadFailed(error) {
    if (error.code.endsWith("not_found")) return this.#gone("chat.not_found");
    if (error.status !== 0 && !this.loaded) return this.view.clear("error", this.app.errorText(error));
    const id = this.id;
    setTimeout(() => this.id === id && this.#load(), RETRY_MS);
    void this.#lost();
  }

  // Nothing runs in a chat that is gone, and what is still under way for it is not drawn.
  #gone(key) {
    this.stream?.close();
    this.#begin(this.id);
    this.loads += 1;
    this.loaded = true;
    this.#letAsk();
    this.view.clear("gone", this.app.t(key));
    this.#changed();
  }

  // The stream of a chat that is gone can't be opened either: then nothing is wrong with the connection.
  async #lost() {
    const id = this.id;
    const error = await this.app.api.get(`/api/conversations/${id}`).then(() => null, (failed) => failed);
    if (this.id !== id) return;
    if (error?.code === "conversation_not_found") this.#gone("chat.not_found");
    else this.app.emit("connection", false);
  }

  #event(name, data) {
    if (name === "reset") return void (this.upToDate = false); // a snapshot follows
    if (name === "snapshot") return this.#snapshot(data);
    if (!this.loaded || this.loading) return void this.waiting.push([name, data]);
    this.#handle[name]?.(data);
  }

  // A resumed stream replays the missed events, so the messages are not loaded again.
  #snapshot(data) {
    const resumed = this.upToDate;
    this.upToDate = true;
    this.waiting.push(["running", data]);
    if (!resumed) void this.#load();
    else if (!this.loading) this.#applyWaiting();
  }

  #applyWaiting() {
    for (const [name, data] of this.waiting.splice(0)) this.#event(name, data);
  }

  #handle = {
    running: ({ running }) => {
      for (const { message_id, blocks, position, reasoning, thinking_ms } of running) {
        if (reasoning) this.view.think(message_id, { offset: 0, text: reasoning, thinking_ms });
        if (blocks?.length) this.view.patch(message_id, blocks);
        else if (position !== null && position !== undefined) this.view.queued(message_id, position);
      }
    },
    message: ({ message }) => this.#added(message),
    queued: ({ message_id, position }) => this.view.queued(message_id, position),
    reading: ({ message_id, read_tokens, prompt_tokens }) => this.view.reading(message_id, read_tokens, prompt_tokens),
    started: ({ message_id, dropped_turns }) => {
      if (this.tree.get(message_id)) this.tree.add({ ...this.tree.get(message_id), dropped_turns });
      this.view.queued(message_id, null);
    },
    reasoning: ({ message_id, ...piece }) => this.view.think(message_id, piece),
    render: ({ message_id, blocks }) => this.view.patch(message_id, blocks),
    finished: ({ message }) => this.#ended(message),
    error: ({ message, error }) => message && this.#ended({ ...message, error: { ...message.error, ...error } }),
    rated: ({ message_id, rating }) => this.ratings.isSending(message_id) || this.#showRating(message_id, rating),
    ranked: ({ ranking }) => this.#ranked(ranking),
    updated: ({ conversation }) => this.#update(conversation),
    deleted: () => {
      this.#gone("chat.gone");
      this.app.emit("list-changed");
    },
  };

  /**
   * The first message created the conversation that the welcome screen was for.
   * @param {Object} conversation
   */
  begun(conversation) {
    this.id = conversation.id;
    this.app.created(conversation);
    this.#connect(0);
  }

  #update(conversation) {
    if (!hasNews(this.app.state.conversation ?? undefined, conversation)) return;
    this.app.state.conversation = conversation;
    this.app.emit("conversation-updated", conversation);
  }

  /**
   * Show a corrected reply of which the server's answer has told, now or when its event arrives.
   * @param {{message: import("./message_tree.js").Message, ranking: Object}} corrected
   */
  showWhenAdded({ message, ranking }) {
    this.comparing.rankings.receive(ranking);
    this.expected = message.id;
    if (!this.tree.get(message.id)) return;
    this.tree.showThrough(message.id);
    this.draw();
  }

  #added(message) {
    const follows = this.#isNext(message) || message.id === this.expected;
    this.optimistic.adopt(message);
    if (follows) this.tree.show(message.id);
    this.draw();
  }

  // A message from another tab is shown if it follows the leaf, or is another reply to the same question.
  #isNext(message) {
    const leaf = this.tree.leaf === null ? null : this.tree.get(this.tree.leaf);
    if (message.parent_id === this.tree.leaf) return true;
    return message.role === "assistant" && leaf?.parent_id === message.parent_id && leaf.state !== "pending";
  }

  #ended(message) {
    const before = this.tree.get(message.id)?.state;
    this.tree.add(message);
    this.draw();
    if (before === "pending") this.view.announce(message);
    this.app.emit("list-changed");
  }

  // Called by the click, by the response and by the event; drawn once.
  #showRating(id, rating) {
    const message = this.tree.get(id);
    if (!message) return;
    const { verdict, reasons = [], comment = "", score = null } = rating ?? {};
    const current = !rating || verdict === "retracted" ? null : { verdict, reasons, comment, score };
    if (!hasNews(message, { rating: current })) return;
    this.tree.add({ ...message, rating: current });
    this.draw();
  }

  // A choice made in another tab: what it chose is shown here, too, unless the conversation has gone on.
  #ranked(ranking) {
    const shown = this.comparison;
    if (!this.comparing.rankings.receive(ranking)) return;
    if (shown?.ranking && !ranking.open && shown.ranking.items.some(({ message_id }) => message_id === winnerOf(ranking))) {
      this.comparing.changing = null;
      if (shown.isLast) this.tree.showThrough(winnerOf(ranking));
    }
    this.draw();
  }

  /** Draw the tree's path, of which a comparison shows one reply: what is asked next follows that one. */
  draw() {
    const { comparison } = this;
    const first = comparison?.isLast && !comparison.isChange ? comparison.messages[followed(comparison.messages)] : null;
    if (first) this.tree.show(first.id);
    this.view.render(this.tree, this.comparing);
    this.#changed();
  }

  #changed() {
    this.app.emit("comparison", this.comparison);
    this.app.emit("running", this.running ?? null);
  }
}
