/** Draws one message: updates its text block by block, and redraws everything else when it changes. */
import { keepDraft, readDraft } from "../composer/drafts.js";
import { longTime, shortTime } from "../i18n/format.js";
import { h, setHtml } from "../page/dom.js";
import { iconButton } from "../widgets/buttons.js";
import { authorName } from "./author.js";
import { editor } from "./message_editor.js";
import { ReasoningView } from "./reasoning.js";
import { Blocks, labelCopyButtons } from "./reply_blocks.js";
import { replyNotes } from "./reply_notes.js";

const ACTIONS = {
  compare: { iconName: "columns", label: "compare.again" },
  edit: { iconName: "edit", label: "message.edit" },
  copy: { iconName: "copy", label: "message.copy" },
  up: { iconName: "thumb_up", label: "message.up" },
  down: { iconName: "thumb_down", label: "message.down" },
  regenerate: { iconName: "refresh", label: "message.regenerate" },
  correct: { iconName: "edit", label: "message.correct" },
  details: { iconName: "info", label: "message.details" },
};

/**
 * @typedef {Object} Handlers of a message's buttons
 * @property {(message: Object, button: HTMLElement) => void} copy
 * @property {(message: Object, content: string) => Promise<void>} edit
 * @property {(message: Object, content: string) => Promise<void>} correct
 * @property {(message: Object, button: HTMLElement) => void} compare
 * @property {(message: Object) => void} regenerate
 * @property {(message: Object) => void} continue
 * @property {(message: Object, step: number) => void} version
 * @property {(message: Object, verdict: string, button: HTMLElement) => void} rate
 * @property {(message: Object, button: HTMLElement) => void} details
 * @property {() => void} hold keeps the scroll position
 */

/** An article with name, body, notes and a row of buttons. */
export class MessageView {
  /**
   * @param {Object} app
   * @param {import("./message_tree.js").Message} message
   * @param {{list: Object[], index: number}} versions
   * @param {Handlers} handlers
   */
  constructor(app, message, versions, handlers) {
    this.app = app;
    this.handlers = handlers;
    this.isReply = message.role !== "user";
    this.position = null; // in the queue
    this.read = null; // how much of the prompt has been read, in tokens
    this.started = false;
    this.alias = null; // in place of the author's name while a comparison hides that
    this.actionsLanguage = null; // in which the buttons were drawn
    this.versionsDrawn = "";
    this.name = h("header.p-author");
    this.reasoning = this.isReply ? new ReasoningView(app, () => handlers.hold()) : null;
    this.body = h("div.p-body", { dir: "auto" });
    this.notes = h("div.p-notes");
    this.actions = h("div.p-actions");
    this.element = h(`article.p-message.p-${this.isReply ? "reply" : "question"}`, { tabindex: "-1" });
    const parts = [this.name, this.reasoning?.element, this.body, this.notes, this.actions];
    this.element.append(...parts.filter(Boolean));
    this.blocks = new Blocks(this.body, app.t);
    this.update(message, versions);
  }

  /**
   * Show the message as it is now.
   * @param {import("./message_tree.js").Message} message
   * @param {{list: Object[], index: number}} versions
   */
  update(message, versions) {
    this.message = message;
    this.versions = versions;
    this.element.dataset.state = message.state;
    this.element.dataset.id = message.id;
    this.element.dataset.parent = message.parent_id ?? "";
    this.element.toggleAttribute("data-optimistic", message.optimistic === true);
    this.reasoning?.show(message);
    this.#drawBody();
    this.redraw();
  }

  /** @returns {boolean} whether exactly this is drawn already */
  shows(message, versions) {
    const { list, index } = this.versions;
    return this.message === message && list.length === versions.list.length && index === versions.index;
  }

  /** Show an alias in place of the author's name, or that name again (null). */
  mask(alias) {
    if (alias === this.alias) return;
    this.alias = alias;
    this.redraw();
  }

  /** Who is said to have written it. */
  get author() {
    return this.alias ?? (this.isReply ? authorName(this.app, this.message) : this.app.t("chat.you"));
  }

  /** Draw everything but the text again: after a change of language, versions or rating. */
  redraw() {
    const { app, message } = this;
    const name = this.author;
    this.element.setAttribute("aria-label", name);
    const when = { datetime: message.created_at, title: longTime(app, message.created_at) };
    this.name.replaceChildren(h("span.p-author-name", {}, name), h("time", when, shortTime(app, message.created_at)));
    labelCopyButtons(this.body, app.t);
    this.reasoning?.label();
    this.#drawNotes();
    this.#drawActions();
  }

  /**
   * Show changed blocks of a running reply.
   * @param {{index: number, html: string}[]} blocks
   */
  patch(blocks) {
    const first = !this.started;
    this.started = true;
    this.position = null;
    this.blocks.patch(blocks);
    if (first) this.#drawNotes();
  }

  /**
   * Show a piece of running reasoning.
   * @param {{offset: number, text: string, thinking_ms: number|null}} piece
   */
  think(piece) {
    const first = !this.reasoning.begun;
    this.position = null;
    this.reasoning.add(piece);
    if (first) this.#drawNotes();
  }

  /** @param {number|null} position its place in the queue */
  queued(position) {
    this.position = position;
    this.#drawNotes();
  }

  /** @param {{done: number, total: number}} read tokens of the prompt */
  reading(read) {
    this.read = read;
    this.#drawNotes();
  }

  #drawBody() {
    const { message } = this;
    if (this.editing) return;
    if (!this.isReply) {
      if (message.html) setHtml(this.body, message.html);
      else this.body.replaceChildren(h("p", {}, message.content));
    } else if (message.state !== "pending") {
      this.blocks.finish(message.html ?? "");
    } else if (message.html && !this.started) {
      this.blocks.patch([{ index: 0, html: message.html }]);
    }
  }

  #drawNotes() {
    const { app, message, handlers } = this;
    if (this.isReply) this.notes.replaceChildren(...replyNotes(app, message, this, handlers));
  }

  // All buttons have their places from the beginning: none may come under a pointer that was about to press another one.
  #drawActions() {
    const { app, message } = this;
    if (this.actionsLanguage !== app.state.language) {
      this.actionsLanguage = app.state.language; // otherwise the buttons stay, and keep the focus and their popovers
      this.actions.replaceChildren(...this.#buttons());
      this.versionsDrawn = "";
    }
    this.#drawVersions();
    for (const verdict of ["up", "down"]) {
      const thumb = this.actions.querySelector(`[data-act="${verdict}"]`);
      thumb?.setAttribute("aria-pressed", String(message.rating?.verdict === verdict));
    }
  }

  #buttons() {
    const { app, handlers } = this;
    const button = (act, press) => {
      const { iconName, label } = ACTIONS[act];
      const onclick = (event) => press(this.message, event.currentTarget);
      return iconButton(iconName, app.t(label), onclick, { dataset: { act } });
    };
    const copy = button("copy", handlers.copy);
    if (!this.isReply) return [button("compare", handlers.compare), button("edit", () => this.startEdit()), copy];
    return [
      copy,
      button("up", (shown, thumb) => handlers.rate(shown, "up", thumb)),
      button("down", (shown, thumb) => handlers.rate(shown, "down", thumb)),
      button("correct", () => this.startEdit()),
      button("regenerate", handlers.regenerate),
      button("details", handlers.details),
    ];
  }

  // At the far end of the row, so that its arrival moves no button: a reply's row starts at the left, a question's at
  // the right.
  #drawVersions() {
    const { list, index } = this.versions;
    const looks = `${index}/${list.length}`;
    if (looks === this.versionsDrawn) return;
    this.versionsDrawn = looks;
    this.actions.querySelector(".p-versions")?.remove();
    if (list.length < 2) return;
    if (this.isReply) this.actions.append(this.#versionSwitch());
    else this.actions.prepend(this.#versionSwitch());
  }

  #versionSwitch() {
    const { app, handlers } = this;
    const { list, index } = this.versions;
    const said = app.t("message.version", { index: index + 1, count: list.length });
    const step = (iconName, act, by) => {
      const go = () => handlers.version(this.message, by);
      return iconButton(iconName, app.t(`message.${act}`), go, { disabled: !list[index + by], dataset: { act } });
    };
    const group = h("span.p-versions", { role: "group", "aria-label": said });
    const count = h("span", { title: said }, `${index + 1}/${list.length}`);
    group.append(step("chevron_left", "previous", -1), count, step("chevron_right", "next", 1));
    return group;
  }

  /** Edit the question or correct the reply in place, from where an edit was left by opening another chat or reloading the page. */
  startEdit() {
    this.handlers.hold();
    this.#reserveHeight();
    const draft = `edit.${this.message.id}`;
    const close = () => {
      keepDraft(draft, "");
      this.stopEdit();
    };
    this.editing = editor(this.app, readDraft(draft) || this.message.content, {
      typed: (text) => keepDraft(draft, text),
      save: async (text) => {
        await (this.isReply ? this.handlers.correct(this.message, text) : this.handlers.edit(this.message, text));
        close();
      },
      close,
    }, { words: this.isReply ? "correct" : "edit" });
    this.element.dataset.editing = "";
    if (this.isReply) this.body.after(this.editing); // the blocks of its text stay, hidden
    else this.body.replaceChildren(this.editing);
  }

  /** Show the message again as it is. */
  stopEdit() {
    if (!this.editing) return;
    this.#reserveHeight();
    this.editing.remove();
    this.editing = null;
    delete this.element.dataset.editing;
    this.#drawBody();
    this.actions.querySelector(`[data-act="${this.isReply ? "correct" : "edit"}"]`).focus({ preventScroll: true });
  }

  // What is below must not come under the pointer that opens or closes the editor.
  #reserveHeight() {
    this.element.style.minHeight = `${this.element.offsetHeight}px`;
  }
}
