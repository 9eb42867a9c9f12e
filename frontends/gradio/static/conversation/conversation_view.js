/** Draws the open conversation: one column of messages. Its only state is what it has drawn. */
import { h } from "../page/dom.js";
import { nameButton, textButton } from "../widgets/buttons.js";
import { icon } from "../widgets/icons.js";
import { AutoScroll } from "./auto_scroll.js";
import { MessageView } from "./message_view.js";

const COPIED_MS = 1600;

/** The scrolling log of messages, and the status text shown instead of it. */
export class ConversationView {
  /** @param {Object} app */
  constructor(app) {
    this.app = app;
    this.screen = null; // the screen shown: "welcome", "loading", "chat", "gone" or "error"
    this.handlers = null; // the Actions, set by main.js
    this.views = new Map(); // message id → MessageView; kept when another version is shown
    this.early = new Map(); // message id → blocks received before it was drawn
    this.column = h("div.p-column", { role: "log", "aria-live": "off" });
    this.status = h("div.p-status", { role: "status" });
    this.live = h("div.p-offscreen", { "aria-live": "polite", role: "status" });
    this.scroller = h("div.p-log", { tabindex: "-1" }, this.status, this.column);
    this.scroll = new AutoScroll(this.scroller, this.column);
    this.element = h("div.p-log-frame", {}, this.scroller, this.scroll.button, this.live);
    this.scroller.addEventListener("click", (event) => this.#copyCode(event));
    app.on("language", () => this.redraw());
    app.on("models", () => this.redraw());
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
    this.column.replaceChildren();
    this.status.replaceChildren();
    this.scroll.following = true;
    this.#show(mode);
    if (mode === "loading") this.status.append(h("p.p-muted.p-late", {}, this.app.t("chat.loading")));
    if (mode === "gone" || mode === "error") {
      const anew = textButton(this.app.t("chat.start_new"), () => this.app.open(null), "p-primary");
      this.status.append(h("p", {}, text), anew);
    }
  }

  /**
   * Show the tree's path. Elements already in place are not touched.
   * @param {import("./message_tree.js").MessageTree} tree
   */
  render(tree) {
    const path = tree.path();
    this.#show(path.length || this.app.state.conversationId ? "chat" : "welcome");
    this.status.replaceChildren();
    const elements = path.map((message) => this.#view(message, tree).element);
    let at = 0;
    while (at < elements.length && this.column.children[at] === elements[at]) at += 1;
    while (this.column.children.length > at) this.column.lastChild.remove();
    this.column.append(...elements.slice(at));
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
    this.views.set(message.id, view);
    this.early.delete(message.id);
    if (early && message.state === "pending") view.patch([...early.values()]);
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
   * Scroll a conversation that was just opened to its end, or to the message found by a search.
   * @param {string|null} id
   */
  arrive(id) {
    const element = id && this.views.get(id)?.element;
    if (!element) return this.follow();
    this.hold();
    element.scrollIntoView({ block: "center" });
    element.classList.add("p-found");
  }

  /** Announce a finished reply to screen readers. */
  announce(message) {
    const model = this.handlers.authorName(message);
    this.live.textContent = this.app.t("chat.said", { model, text: message.content });
  }

  /** Keep the focus on the same button after another version was chosen. */
  focusVersion(id, step) {
    const buttons = this.views.get(id)?.element.querySelectorAll(".p-versions button") ?? [];
    const [previous, next] = buttons;
    const wanted = step < 0 ? [previous, next] : [next, previous];
    wanted.find((button) => button && !button.disabled)?.focus({ preventScroll: true });
  }

  #copyCode(event) {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const code = button.closest("figure").querySelector("code").textContent;
    void this.handlers.copy({ content: code }, button);
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
