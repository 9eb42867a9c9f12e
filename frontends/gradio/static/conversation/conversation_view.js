/** Draws the open conversation: one column of messages. Its only state is what it has drawn. */
import { BetterLines } from "../comparison/better_line.js";
import { ComparisonView } from "../comparison/comparison_view.js";
import { isTaken } from "../comparison/keep_clear.js";
import { VerdictLines } from "../comparison/verdict_line.js";
import { h } from "../page/dom.js";
import { nameButton, textButton } from "../widgets/buttons.js";
import { icon } from "../widgets/icons.js";
import { AutoScroll } from "./auto_scroll.js";
import { CorrectionLines } from "./correction.js";
import { FoundMessage } from "./found_message.js";
import { MessageView } from "./message_view.js";

const COPIED_MS = 1600;
const NEAR = 12; // messages around a changed one that can be seen with it, so that their sizes must not be estimates
const MARGIN_PX = 16; // above a reply that is scrolled to its beginning

/** The scrolling log of messages, and the status text shown instead of it. */
export class ConversationView {
  /** @param {Object} app */
  constructor(app) {
    this.app = app;
    this.screen = null; // the screen shown: "welcome", "loading", "chat", "gone" or "error"
    this.handlers = null; // the Actions, set by main.js
    this.views = new Map(); // message id → MessageView; kept when another version is shown
    this.early = new Map(); // message id → blocks received before it was drawn
    this.earlyReasoning = new Map(); // message id → pieces of it
    this.tree = null; // that was drawn last
    this.comparison = new ComparisonView(app, (message) => this.#view(message, this.tree));
    this.verdicts = new VerdictLines(app);
    this.better = new BetterLines(app);
    this.corrections = new CorrectionLines(app);
    this.column = h("div.p-column", { role: "log", "aria-live": "off" });
    this.status = h("div.p-status", { role: "status" });
    this.live = h("div.p-offscreen", { "aria-live": "polite", role: "status" });
    this.scroller = h("div.p-log", { tabindex: "-1" }, this.status, this.column);
    this.scroll = new AutoScroll(this.scroller, this.column);
    this.found = new FoundMessage(this.scroller);
    this.element = h("div.p-log-frame", {}, this.scroller, this.scroll.button, this.live);
    this.scroller.addEventListener("click", (event) => this.#copyCode(event));
    for (const event of ["language", "models", "day"]) app.on(event, () => this.redraw());
    this.label();
  }

  /** Label the region and the button in the current language. */
  label() {
    this.column.setAttribute("aria-label", this.app.t("chat.log"));
    nameButton(this.scroll.button, this.app.t("chat.to_bottom"));
  }

  /**
   * Empty the log.
   * @param {"welcome"|"loading"|"gone"|"error"} mode
   * @param {string} [text]
   */
  clear(mode, text) {
    this.views.clear();
    this.early.clear();
    this.earlyReasoning.clear();
    this.column.replaceChildren();
    this.status.replaceChildren();
    this.scroll.following = true;
    this.found.clear();
    this.#show(mode);
    if (mode === "loading") this.status.append(h("p.p-muted.p-late", {}, this.app.t("chat.loading")));
    if (mode === "gone" || mode === "error") {
      const anew = textButton(this.app.t("chat.start_new"), () => this.app.open(null), "p-primary");
      this.status.append(h("p", {}, text), anew);
    }
  }

  /**
   * Show the tree's path. Elements already in place are not touched. Where others take the place of some, the log
   * is not scrolled by what becomes shorter: that would move buttons under the pointer.
   * @param {import("./message_tree.js").MessageTree} tree
   * @param {import("../comparison/current_comparison.js").CurrentComparison} comparing
   */
  render(tree, comparing) {
    const path = tree.path();
    this.tree = tree;
    this.#show(path.length || this.app.state.conversationId ? "chat" : "welcome");
    this.status.replaceChildren();
    const elements = this.#elements(path, tree, comparing);
    let at = 0;
    while (at < elements.length && this.column.children[at] === elements[at]) at += 1;
    const isLonger = at === this.column.children.length;
    if (isLonger && at === elements.length) return;
    const top = this.scroller.scrollTop;
    for (const element of this.column.children) {
      for (const reserved of [element, element.querySelector(".p-body")]) reserved?.style.removeProperty("min-height");
    }
    while (this.column.children.length > at) this.column.lastChild.remove();
    this.column.append(...elements.slice(at));
    if (isLonger || at === elements.length) return;
    this.#layOutAround(at);
    this.#scrollTo(Math.min(top, this.#topOf(elements[at]) - MARGIN_PX));
  }

  #elements(path, tree, comparing) {
    const comparison = comparing.at(path);
    return path.map((message, at) => {
      if (comparison?.index === at) return this.comparison.show(comparison);
      const view = this.#view(message, tree);
      view.mask(null);
      if (view.isReply) {
        this.verdicts.show(view.element, ...comparing.verdictOn(message.id));
        this.better.show(view.element, comparing.regenerated(message));
        this.corrections.show(view.element, message, comparing.correction(message));
      }
      return view.element;
    });
  }

  /** Give the messages around a place their real sizes. */
  #layOutAround(at) {
    for (const element of [...this.column.children].slice(Math.max(0, at - NEAR), at + NEAR)) element.dataset.near = "";
  }

  /** Where an element begins in the log, in px from the log's beginning. */
  #topOf(element) {
    const { scroller } = this;
    return element.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop;
  }

  /** Scroll to `top`, in px; where the log is too short for that, its last message is made higher. */
  #scrollTo(top) {
    const { scroller } = this;
    const last = this.column.lastElementChild;
    const missing = Math.ceil(top + scroller.clientHeight - scroller.scrollHeight);
    if (missing > 0) last.style.minHeight = `${last.offsetHeight + missing}px`;
    scroller.scrollTop = top;
  }

  /**
   * The place of a message's row of buttons.
   * @param {string} id
   * @returns {number} px from the top of the window
   */
  rowTop(id) {
    return this.views.get(id).actions.getBoundingClientRect().top;
  }

  /**
   * Scroll so that a message's row of buttons is at `top`: where the row of the version shown before was pressed.
   * @param {string} id
   * @param {number} top px from the top of the window
   */
  putRow(id, top) {
    const { body } = this.views.get(id);
    body.style.minHeight = "";
    this.#scrollTo(Math.max(0, this.scroller.scrollTop + this.rowTop(id) - top));
    const missing = top - this.rowTop(id); // the text is shorter, and there is nothing above to scroll to
    if (missing > 0) body.style.minHeight = `${body.offsetHeight + missing}px`;
  }

  /**
   * Move a reply's buttons down if one has come to a place where another was pressed.
   * @param {string} id
   * @param {import("../comparison/keep_clear.js").Place} place
   */
  keepClear(id, place) {
    const { actions, body, element } = this.views.get(id);
    if (!isTaken(place, element)) return;
    const missing = Math.ceil(place.bottom - actions.getBoundingClientRect().top);
    body.style.minHeight = `${body.offsetHeight + Math.max(0, missing)}px`;
  }

  #show(screen) {
    if (screen === this.screen) return;
    this.screen = screen;
    this.app.emit("screen", screen);
  }

  #view(message, tree) {
    const versions = tree.versions(message);
    const view = this.views.get(message.id) ?? this.#newView(message, versions);
    if (!view.shows(message, versions)) view.update(message, versions);
    return view;
  }

  #newView(message, versions) {
    const view = new MessageView(this.app, message, versions, this.handlers);
    const early = this.early.get(message.id);
    const thoughts = this.earlyReasoning.get(message.id) ?? [];
    this.views.set(message.id, view);
    this.early.delete(message.id);
    this.earlyReasoning.delete(message.id);
    if (message.state !== "pending") return view;
    for (const piece of thoughts) view.think(piece);
    if (early) view.patch([...early.values()]);
    return view;
  }

  /** Keep the element of an optimistic message under the id that the server gave it. */
  rename(from, to) {
    const view = this.views.get(from);
    if (!view) return;
    this.views.delete(from);
    this.views.set(to, view);
  }

  /** Draw everything but the text of the messages again. */
  redraw() {
    this.label();
    for (const view of this.views.values()) view.redraw();
    this.comparison.redraw();
  }

  /**
   * Show changed blocks of a running reply, or keep them until it is drawn.
   * @param {string} id
   * @param {{index: number, html: string}[]} blocks
   */
  patch(id, blocks) {
    const view = this.views.get(id);
    if (view) return view.patch(blocks);
    const kept = this.early.get(id) ?? new Map();
    for (const block of blocks) kept.set(block.index, block);
    this.early.set(id, kept);
  }

  /**
   * Show a piece of a running reply's reasoning, or keep it until the reply is drawn.
   * @param {string} id
   * @param {{offset: number, text: string, thinking_ms: number|null}} piece
   */
  think(id, piece) {
    const view = this.views.get(id);
    if (view) return view.think(piece);
    this.earlyReasoning.set(id, [...(this.earlyReasoning.get(id) ?? []), piece]);
  }

  /** Edit a question, or correct a reply, in its place. */
  edit(id) {
    this.views.get(id)?.startEdit();
  }

  reading(id, done, total) {
    this.views.get(id)?.reading({ done, total });
  }

  queued(id, position) {
    this.views.get(id)?.queued(position);
  }

  /** Scroll to the end and follow it. */
  follow() {
    this.scroll.follow();
  }

  /** Keep the scroll position during a change that the reader made. */
  hold() {
    this.scroll.pause();
  }

  /**
   * Scroll a conversation that was just opened to its end, or to the message that a search found.
   * @param {string|null} id
   * @param {{snippet: string, ranges: [number, number][]}|null} match the words that it was found by
   */
  arrive(id, match) {
    const view = id && this.views.get(id);
    if (!view) return this.follow();
    this.hold();
    this.#layOutAround([...this.column.children].indexOf(view.element));
    view.element.classList.add("p-found");
    this.found.show(view.body, match);
  }

  /** Tell screen readers. */
  say(text) {
    this.live.textContent = text;
  }

  /** Announce a finished reply to screen readers. */
  announce(message) {
    const model = this.views.get(message.id)?.author ?? "";
    this.say(this.app.t("chat.said", { model, text: message.content }));
  }

  /** Keep the focus on the same button after another version was chosen; while that one is written, on its text. */
  focusVersion(id, step) {
    const { element, message } = this.views.get(id);
    const [previous, next] = element.querySelectorAll(".p-versions button");
    const wanted = step < 0 ? [previous, next] : [next, previous];
    const button = wanted.find((one) => !one.disabled);
    (message.state === "pending" ? element : button).focus({ preventScroll: true });
  }

  #copyCode(event) {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const code = button.closest("figure").querySelector("code").textContent;
    // The last line break belongs to the fence; pasted into a terminal, it would run the command.
    void this.handlers.copy({ content: code.replace(/\n$/, "") }, button);
  }

  /** Show on the button that copying succeeded. */
  copied(button, worked) {
    if (!worked) return this.app.toast(this.app.t("message.copy_failed"));
    this.live.textContent = this.app.t("message.copied");
    button.replaceChildren(icon("check"));
    button.classList.add("p-done");
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.classList.remove("p-done");
    }, COPIED_MS);
  }
}
