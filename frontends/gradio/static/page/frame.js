/** The frame around the conversation: top bar, the list's and the drawer's doors, notices, short messages. */
import { iconButton, nameButton } from "../widgets/buttons.js";
import { h } from "./dom.js";
import { icon } from "../widgets/icons.js";

const NARROW = "(max-width: 899px)";
const SIDEBAR_KEY = "parley.sidebar";
const THEME_ICONS = { system: "system", light: "sun", dark: "moon" };
const TOAST_MS = 6000;

/**
 * The top bar.
 * @param {Object} app
 * @param {{theme: {next: () => void}, doors: Doors}} parts
 * @returns {HTMLElement}
 */
export function topBar(app, { theme, doors }) {
  const menu = iconButton("panel", "", () => doors.toggle("sidebar", menu), { "aria-controls": "parley-sidebar" });
  const title = h("span.p-title");
  const switchLanguage = () => app.setLanguage(app.state.language === "en" ? "zh" : "en");
  const language = h("button.p-text-button", { type: "button", onclick: switchLanguage });
  const colours = iconButton("system", "", () => theme.next());
  const anew = iconButton("plus", "", () => app.open(null), { class: "p-icon p-only-closed" });

  function draw() {
    const open = doors.isOpen("sidebar");
    nameButton(menu, app.t(open ? "app.close_sidebar" : "app.open_sidebar"));
    menu.setAttribute("aria-expanded", String(open));
    nameButton(colours, app.t(`app.theme_${app.state.theme}`), THEME_ICONS[app.state.theme]);
    nameButton(anew, app.t("app.new_chat"));
    language.textContent = app.t("app.language");
    nameButton(language, app.t("app.language_label"));
    const conversation = app.state.conversation;
    title.textContent = conversation ? conversation.title || app.t("app.untitled") : "";
    document.title = conversation?.title ? `${conversation.title} · Parley` : "Parley";
  }

  for (const event of ["language", "theme", "doors", "conversation", "conversation-updated"]) app.on(event, draw);
  draw();
  return h("header.p-top", {}, menu, anew, title, h("span.p-spring"), language, colours);
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
    if (which !== "sidebar" || this.narrow.matches) return;
    localStorage.setItem(SIDEBAR_KEY, this.isOpen(which) ? "open" : "closed");
  }

  set(which, open, opener) {
    const room = this.rooms[which];
    const hadFocus = room.contains(document.activeElement);
    room.inert = !open;
    document.documentElement.dataset[which] = open ? "open" : "closed";
    if (open && opener) {
      this.openers[which] = opener;
      const covers = which === "drawer" || this.narrow.matches;
      if (covers) room.querySelector("button, input, textarea")?.focus({ preventScroll: true });
    } else if (!open && hadFocus) this.openers[which]?.focus();
    this.app.emit("doors", which);
  }

  #escape(event) {
    if (event.defaultPrevented) return;
    const covering = this.narrow.matches ? ["drawer", "sidebar"] : ["drawer"];
    const open = covering.find((which) => this.isOpen(which));
    if (!open) return;
    event.preventDefault();
    this.set(open, false);
  }
}

/**
 * The line that says the server is gone, until it is back.
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function connectionBar(app) {
  const bar = h("div.p-connection", { role: "status", hidden: true });
  const draw = () => {
    const lost = h("strong", {}, app.t("connection.lost"));
    bar.replaceChildren(icon("warning"), lost, h("span", {}, app.t("connection.lost_hint")));
  };
  app.on("connection", (up) => {
    if (up && !bar.hidden) app.toast(app.t("connection.back"));
    bar.hidden = up;
    if (!up) draw();
  });
  app.on("language", draw);
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
