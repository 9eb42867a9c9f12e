/** An area that covers the conversation, with tabs. The tab is in the page's address. */
import { h } from "./dom.js";
import { iconButton, nameButton } from "../widgets/buttons.js";

/**
 * @typedef {Object} Tab
 * @property {string} name in the page's address; no other area has one of that name
 * @property {string} title the key of its text
 * @property {(app: Object) => {element: HTMLElement, show: () => void, hide?: () => void}} create `show` is called
 *   whenever it becomes visible
 * @property {(app: Object) => boolean} [offered] whether this person may see it
 */

/** Built when it is first opened. */
export class Area {
  /**
   * @param {Object} app
   * @param {HTMLElement} covered what can't be reached while it is open
   * @param {{title: string, tabs: Tab[]}} of
   */
  constructor(app, covered, { title, tabs }) {
    this.app = app;
    this.covered = covered;
    this.name = title;
    this.known = tabs;
    this.tabs = new Map(); // name → its part of the page
    this.element = h("section.p-area", { hidden: true });
    app.on("view", (view) => this.#show(view));
    app.on("language", () => this.#setTexts());
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #show(view) {
    const wasOpen = !this.element.hidden;
    const isOpen = this.known.some(({ name, offered }) => name === view && (offered?.(this.app) ?? true));
    this.element.hidden = !isOpen;
    if (isOpen || wasOpen) this.covered.inert = isOpen;
    if (!isOpen) {
      this.current?.part.hide?.();
      this.current = null;
      if (wasOpen) this.opener?.focus();
      return;
    }
    if (!wasOpen) this.opener = document.activeElement;
    if (!this.head) this.#build();
    this.#choose(view);
    if (!wasOpen) this.current.button.focus({ preventScroll: true });
  }

  #build() {
    this.title = h("h1.p-area-title");
    this.close = iconButton("close", "", () => this.app.closeView(), { class: "p-icon p-area-close" });
    this.list = h("div.p-tabs", { role: "tablist", onkeydown: (event) => this.#arrow(event) });
    this.head = h("header.p-area-head", {}, this.title, this.list, this.close);
    this.body = h("div.p-area-body");
    for (const { name, title, create } of this.known.filter(({ offered }) => offered?.(this.app) ?? true)) {
      const id = `parley-tab-${name}`;
      const button = h(
        "button.p-tab",
        { type: "button", role: "tab", id, "aria-controls": `${id}-panel`, onclick: () => this.app.openView(name) },
      );
      const panel = h("div.p-tab-panel", { role: "tabpanel", id: `${id}-panel`, "aria-labelledby": id, hidden: true });
      this.tabs.set(name, { button, title, panel, create, part: null });
      this.list.append(button);
      this.body.append(panel);
    }
    this.element.append(this.head, this.body);
    this.#setTexts();
  }

  #choose(name) {
    const { app } = this;
    const next = this.tabs.get(name);
    if (this.current !== next) this.current?.part.hide?.();
    this.current = next;
    for (const tab of this.tabs.values()) {
      tab.panel.hidden = tab !== next;
      tab.button.setAttribute("aria-selected", String(tab === next));
      tab.button.tabIndex = tab === next ? 0 : -1;
    }
    if (!next.part) {
      next.part = next.create(app);
      next.panel.append(next.part.element);
    }
    next.part.show();
  }

  #setTexts() {
    if (!this.head) return;
    const { app } = this;
    this.title.textContent = app.t(this.name);
    this.element.setAttribute("aria-label", app.t(this.name));
    nameButton(this.close, app.t("app.close"));
    for (const { button, title } of this.tabs.values()) button.textContent = app.t(title);
  }

  #arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const names = [...this.tabs.keys()];
    const at = names.findIndex((name) => this.tabs.get(name) === this.current);
    const name = names[(at + step + names.length) % names.length];
    this.app.openView(name);
    this.tabs.get(name).button.focus();
  }

  #key(event) {
    if (this.element.hidden || event.defaultPrevented || event.key !== "Escape") return;
    event.preventDefault();
    this.app.closeView();
  }
}
