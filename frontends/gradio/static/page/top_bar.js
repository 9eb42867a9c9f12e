/** The bar above the conversation: sidebar button, title, language, theme. */
import { iconButton, nameButton } from "../widgets/buttons.js";
import { h } from "./dom.js";

const THEME_ICONS = { system: "system", light: "sun", dark: "moon" };

/**
 * @param {Object} app
 * @param {{theme: {next: () => void}, panels: import("./panels.js").Panels}} parts
 * @returns {HTMLElement}
 */
export function topBar(app, { theme, panels }) {
  const menu = iconButton("panel", "", () => panels.toggle("sidebar", menu), { "aria-controls": "parley-sidebar" });
  const title = h("h1.p-title");
  const switchLanguage = () => app.setLanguage(app.state.language === "en" ? "zh" : "en");
  const language = h("button.p-text-button", { type: "button", onclick: switchLanguage });
  const themeButton = iconButton("system", "", () => theme.next());
  const newChat = iconButton("plus", "", () => app.open(null), { class: "p-icon p-only-closed" });

  function draw() {
    const open = panels.isOpen("sidebar");
    nameButton(menu, app.t(open ? "app.close_sidebar" : "app.open_sidebar"));
    menu.setAttribute("aria-expanded", String(open));
    nameButton(themeButton, app.t(`app.theme_${app.state.theme}`), THEME_ICONS[app.state.theme]);
    nameButton(newChat, app.t("app.new_chat"));
    language.textContent = app.t("app.language");
    nameButton(language, app.t("app.language_label"));
    const conversation = app.state.conversation;
    title.textContent = conversation ? conversation.title || app.t("app.untitled") : "";
    title.hidden = !conversation; // the welcome screen has a heading of its own
    document.title = conversation?.title ? `${conversation.title} · Parley` : "Parley";
  }

  for (const event of ["language", "theme", "panels", "conversation", "conversation-updated"]) app.on(event, draw);
  draw();
  return h("header.p-top", {}, menu, newChat, title, h("span.p-spring"), language, themeButton);
}
