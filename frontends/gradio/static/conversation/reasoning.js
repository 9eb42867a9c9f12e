/** What a model thought before it answered, folded to one line above the reply. */
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { ReasoningText, reasoningTitle } from "./reasoning_text.js";

/** The reasoning of one reply; hidden while there is none. */
export class ReasoningView {
  /**
   * @param {Object} app
   * @param {() => void} hold keeps the scroll position, before it is unfolded or folded
   */
  constructor(app, hold) {
    this.app = app;
    this.reasoning = new ReasoningText();
    this.isRunning = false;
    this.title = h("span");
    this.body = h("div.p-reasoning-text", { dir: "auto" });
    const summary = h("summary", { onclick: hold }, icon("chevron_right"), this.title);
    this.element = h("details.p-reasoning", { hidden: true }, summary, this.body);
  }

  /** @returns {boolean} whether there is any */
  get begun() {
    return this.reasoning.length > 0;
  }

  /**
   * Show what a message has. A running reply's own row may be older than what has arrived.
   * @param {import("./message_tree.js").Message} message
   */
  show(message) {
    this.isRunning = message.state === "pending";
    // A reply that continues another begins with its time; while it is still thinking, that is not the whole.
    const isKnown = !this.isRunning || message.content !== "";
    const thinking_ms = isKnown ? (message.timing?.thinking_ms ?? null) : null;
    this.add({ text: message.reasoning ?? "", thinking_ms });
  }

  /**
   * Add a piece of running reasoning.
   * @param {{offset?: number, text: string, thinking_ms?: number|null}} piece
   */
  add(piece) {
    const added = this.reasoning.add(piece);
    if (added) this.body.append(added);
    this.element.hidden = !this.begun;
    this.label();
  }

  /** Set the title in the current language. */
  label() {
    const { isRunning, reasoning } = this;
    this.title.textContent = reasoningTitle(this.app.t, { isRunning, thinking_ms: reasoning.thinking_ms });
    this.element.toggleAttribute("data-running", isRunning && reasoning.thinking_ms === null);
  }
}
