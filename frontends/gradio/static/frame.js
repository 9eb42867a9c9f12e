/** The frame around the conversation: top bar, the list's and the drawer's doors, notices, short messages. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

const NARROW = "(max-width: 899px)";
const SIDEBAR_KEY = "parley.sidebar";
const TOAST_MS = 6000;

/**
 * The top bar.
 * @param {Object} app
 * @param {{theme: {next: () => void}, doors: Doors}} parts
 * @returns {HTMLElement}
 */
export function topBar(app, { theme, doors }) {
  const menu = h("button.p-icon", { type: "button", "aria-controls": "parley-sidebar", onclick: () => doors.toggle("sidebar", menu) });
  const title = h("span.p-title");
  const language = h("button.p-text-button", { type: "button", onclick: () => app.setLanguage(app.state.language === "en" ? "zh" : "en") });
  const colours = h("button.p-icon", { type: "button", onclick: () => theme.next() });
  const anew = h("button.p-icon.p-only-closed", { type: "button", onclick: () => app.open(null) });

  function draw() {
    const open = doors.isOpen("sidebar");
    name(menu, app.t(open ? "app.close_sidebar" : "app.open_sidebar"), "panel");
    menu.setAttribute("aria-expanded", String(open));
    name(colours, app.t(`app.theme_${app.state.theme}`), { system: "system", light: "sun", dark: "moon" }[app.state.theme]);
    name(anew, app.t("app.new_chat"), "plus");
    language.textContent = app.t("app.language");
    language.title = app.t("app.language_label");
    language.setAttribute("aria-label", app.t("app.language_label"));
    const conversation = app.state.conversation;
    title.textContent = conversation ? conversation.title || app.t("app.untitled") : "";
    document.title = conversation?.title ? `${conversation.title} · Parley` : "Parley";
  }

  for (const event of ["language", "theme", "doors", "conversation", "conversation-updated"]) app.on(event, draw);
  draw();
  return h("header.p-top", {}, menu, anew, title, h("span.p-spring"), language, colours);
}

function name(button, label, iconName) {
  button.title = label;
  button.setAttribute("aria-label", label);
  button.replaceChildren(icon(iconName));
}

/** Two doors, "sidebar" and "drawer": what is shut can't be reached by keyboard either. */
export class Doors {
  /**
   * @param {Object} app
   * @param {{sidebar: HTMLElement, drawer: HTMLElement}} rooms
   */
  constructor(app, rooms) {
    this.app = app;
    this.rooms = rooms;
    this.narrow = matchMedia(NARROW);
    this.openers = {};
    const scrim = h("div.p-scrim", { onclick: () => this.shutAll() });
    rooms.sidebar.after(scrim); // in the same stacking context, below the list
    this.narrow.addEventListener("change", () => this.set("sidebar", !this.narrow.matches));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#escape(event));
    this.set("drawer", false);
    this.set("sidebar", !this.narrow.matches && localStorage.getItem(SIDEBAR_KEY) !== "closed");
  }

  isOpen(which) {
    return !this.rooms[which].inert;
  }

  /** On a narrow page the list covers the conversation: a choice in it closes it. */
  leaveSidebar() {
    if (this.narrow.matches) this.set("sidebar", false);
  }

  shutAll() {
    this.leaveSidebar();
    this.set("drawer", false);
  }

  toggle(which, opener) {
    this.set(which, !this.isOpen(which), opener);
    if (which === "sidebar" && !this.narrow.matches) localStorage.setItem(SIDEBAR_KEY, this.isOpen(which) ? "open" : "closed");
  }

  set(which, open, opener) {
    const room = this.rooms[which];
    const hadFocus = room.contains(document.activeElement);
    room.inert = !open;
    document.documentElement.dataset[which] = open ? "open" : "closed";
    if (open && opener) {
      this.openers[which] = opener;
      if (which === "drawer" || this.narrow.matches) room.querySelector("button, input, textarea")?.focus({ preventScroll: true });
    } else if (!open && hadFocus) this.openers[which]?.focus();
    this.app.emit("doors", which);
  }

  #escape(event) {
    if (event.defaultPrevented) return;
    const covering = this.isOpen("drawer") ? "drawer" : this.narrow.matches && this.isOpen("sidebar") ? "sidebar" : null;
    if (!covering) return;
    event.preventDefault();
    this.set(covering, false);
  }
}

/**
 * The line that says the server is gone, until it is back.
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function connectionBar(app) {
  const bar = h("div.p-connection", { role: "status", hidden: true });
  app.on("connection", (up) => {
    if (up && !bar.hidden) app.toast(app.t("connection.back"));
    bar.hidden = up;
    if (!up) bar.replaceChildren(icon("warning"), h("strong", {}, app.t("connection.lost")), h("span", {}, app.t("connection.lost_hint")));
  });
  return bar;
}

/**
 * Short messages at the foot of the page.
 * @returns {(text: string, options?: {action?: string, onAction?: () => void}) => void}
 */
export function createToast() {
  const stack = h("div.p-toasts", { role: "status", "aria-live": "polite" });
  document.body.append(stack);
  return (text, { action, onAction } = {}) => {
    const remove = () => toast.remove();
    const act = () => {
      remove();
      onAction?.();
    };
    const button = action ? h("button.p-link", { type: "button", onclick: act }, action) : null;
    const toast = h("div.p-toast", {}, h("span", {}, text), button);
    stack.append(toast);
    setTimeout(remove, TOAST_MS);
  };
}
