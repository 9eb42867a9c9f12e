/** Opens and closes the panels beside the conversation: the sidebar with the chat list and the settings. */
import { h } from "./dom.js";
import { NARROW, pageHistory } from "./page_history.js";
import { readStored, store } from "./storage.js";

const SIDEBAR_KEY = "parley.sidebar";

/** The panels "sidebar" and "settings". A closed panel is inert, so it can't be reached by keyboard either. */
export class Panels {
  /**
   * @param {Object} app
   * @param {{sidebar: HTMLElement, settings: HTMLElement}} elements
   */
  constructor(app, elements) {
    this.app = app;
    this.elements = elements;
    this.narrow = matchMedia(NARROW);
    this.uncover = {}; // panel → to be called when it has closed
    this.openers = {}; // panel → the button that opened it, focused again when it closes
    const scrim = h("div.p-scrim", { onclick: () => this.closeAll() });
    elements.sidebar.after(scrim); // in the same stacking context, below the list
    this.narrow.addEventListener("change", () => this.set("sidebar", !this.narrow.matches));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#escape(event));
    this.set("settings", false);
    this.set("sidebar", !this.narrow.matches && readStored(SIDEBAR_KEY) !== "closed");
  }

  isOpen(panel) {
    return !this.elements[panel].inert;
  }

  /** Close the sidebar on narrow pages, where it covers the conversation. */
  leaveSidebar() {
    if (this.narrow.matches) this.set("sidebar", false);
  }

  closeAll() {
    this.leaveSidebar();
    this.set("settings", false);
  }

  toggle(panel, opener) {
    this.set(panel, !this.isOpen(panel), opener);
    if (panel !== "sidebar" || this.narrow.matches) return;
    store(SIDEBAR_KEY, this.isOpen(panel) ? "open" : "closed");
  }

  set(panel, open, opener) {
    const element = this.elements[panel];
    const hadFocus = element.contains(document.activeElement);
    element.inert = !open;
    this.uncover[panel]?.();
    this.uncover[panel] = open ? pageHistory.cover(() => this.set(panel, false)) : null;
    document.documentElement.dataset[panel] = open ? "open" : "closed";
    if (open && opener) {
      this.openers[panel] = opener;
      const covers = panel === "settings" || this.narrow.matches;
      if (covers) element.querySelector("button, input, textarea")?.focus({ preventScroll: true });
    } else if (!open && hadFocus) this.openers[panel]?.focus();
    this.app.emit("panels", panel);
  }

  #escape(event) {
    if (event.defaultPrevented) return;
    const covering = this.narrow.matches ? ["settings", "sidebar"] : ["settings"];
    const open = covering.find((panel) => this.isOpen(panel));
    if (!open) return;
    event.preventDefault();
    this.set(open, false);
  }
}
