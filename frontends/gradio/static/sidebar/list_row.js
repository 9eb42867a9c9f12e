/** A row of the conversation list: link, search snippet, menu button, and a text field while it is renamed. */
import { longTime } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";

const TITLE_LIMIT = 200;

/** Keeps its elements while the conversation is listed, so that the focus and hover states stay. */
export class Row {
  /**
   * @param {Object} app
   * @param {{open: (row: Row) => void, menu: (row: Row) => void, rename: (row: Row, title: string) => void}} on
   */
  constructor(app, on) {
    this.app = app;
    this.on = on;
    this.title = h("span.p-row-title", { dir: "auto" });
    this.snippet = h("span.p-row-snippet", { dir: "auto", hidden: true });
    this.pin = h("span.p-row-pin", { hidden: true }, icon("pin"));
    this.link = h(
      "a.p-row-link",
      { tabindex: "-1", onclick: (event) => this.#clicked(event) },
      this.pin,
      h("span.p-row-text", {}, this.title, this.snippet),
    );
    this.button = h(
      "button.p-icon.p-row-menu",
      { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", tabindex: "-1" },
      icon("more"),
    );
    this.button.addEventListener("click", () => on.menu(this));
    this.element = h("li.p-row", {}, this.link, this.button);
  }

  /**
   * Show the conversation as it is now.
   * @param {Object} conversation with `match` if it is a search result
   */
  update(conversation) {
    const { app } = this;
    this.conversation = conversation;
    const name = conversation.title || app.t("app.untitled");
    const match = conversation.match;
    this.title.replaceChildren(...(match && !match.message_id ? marked(match) : [name]));
    this.snippet.hidden = !match?.message_id;
    this.snippet.replaceChildren(...(match?.message_id ? marked(match) : []));
    this.pin.hidden = !conversation.pinned;
    this.link.setAttribute("href", `?c=${encodeURIComponent(conversation.id)}`);
    this.link.title = `${name}\n${longTime(app, conversation.updated_at)}`;
    this.button.setAttribute("aria-label", app.t("sidebar.actions", { title: name }));
    this.button.title = app.t("sidebar.actions_short");
    this.markCurrent();
  }

  /** Mark the row if its conversation is open. */
  markCurrent() {
    if (this.conversation.id === this.app.state.conversationId) this.link.setAttribute("aria-current", "page");
    else this.link.removeAttribute("aria-current");
  }

  /**
   * Make the row the list's tab stop, or not.
   * @param {boolean} reachable
   */
  setReachable(reachable) {
    this.link.tabIndex = this.button.tabIndex = reachable ? 0 : -1;
  }

  /** Edit the title in a text field. Enter and blur save, Escape doesn't. */
  edit() {
    if (this.field) return;
    const field = h("input.p-field.p-row-field", {
      maxlength: String(TITLE_LIMIT),
      "aria-label": this.app.t("sidebar.rename"),
      dir: "auto",
    });
    field.value = this.conversation.title;
    const done = (save, focus) => {
      if (this.field !== field) return;
      this.field = null;
      field.remove();
      this.element.classList.remove("p-editing");
      const title = field.value.trim();
      if (save && title && title !== this.conversation.title) this.on.rename(this, title);
      if (focus) this.link.focus({ preventScroll: true });
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation(); // arrow keys and Delete are for the field
      if (!["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      done(event.key === "Enter", true);
    });
    field.addEventListener("blur", () => done(true, false));
    this.field = field;
    this.element.classList.add("p-editing");
    this.element.prepend(field);
    field.focus({ preventScroll: true });
    field.select();
  }

  #clicked(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return; // a new tab, as with any link
    event.preventDefault();
    this.on.open(this);
  }
}

function marked({ snippet, ranges }) {
  const characters = Array.from(snippet); // ranges count code points
  const nodes = [];
  let at = 0;
  for (const [start, end] of ranges) {
    nodes.push(characters.slice(at, start).join(""), h("mark", {}, characters.slice(start, end).join("")));
    at = end;
  }
  return [...nodes, characters.slice(at).join("")];
}
