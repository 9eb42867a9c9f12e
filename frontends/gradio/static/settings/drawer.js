/**
 * The bridge to the drawer, which is a form of Gradio's (frontends/gradio/drawer.py).
 *
 * The script tells the form what is open in a hidden field. The form writes to the API itself; only
 * before there is a conversation it answers here, in a hidden element, with what the new one begins with.
 */
import { iconButton, nameButton } from "../widgets/buttons.js";
import { h, whenPresent } from "../page/dom.js";

const TOLD_AFTER = ["conversation", "conversation-updated", "language", "models", "model", "draft"];
const SETTLE_MS = 250; // several changes in a row are told once

/**
 * @param {Object} app
 * @param {HTMLElement} root the drawer's column
 * @param {() => void} close
 */
export async function connectDrawer(app, root, close) {
  const title = h("h2", { id: "parley-drawer-title" });
  const shut = iconButton("close", "", close);
  root.prepend(h("div.p-drawer-head", {}, title, shut));
  root.setAttribute("role", "complementary");
  root.setAttribute("aria-labelledby", title.id);
  const name = () => {
    title.textContent = app.t("settings.title");
    nameButton(shut, app.t("app.close"));
  };
  app.on("language", name);
  name();

  const field = await whenPresent("#parley-context textarea");
  tellContext(app, root, field);
  hearDraft(app, await whenPresent("#parley-draft"));
}

function tellContext(app, root, field) {
  let told = "";
  let timer = 0;

  function tell() {
    const text = JSON.stringify(context(app));
    if (text === told) return;
    // Don't take a text or a slider away from under someone's hands: it is told when they leave the field.
    if (isInHand(root) && sameConversation(told, text)) return;
    told = text;
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(tell, SETTLE_MS);
  }

  for (const event of TOLD_AFTER) app.on(event, soon);
  root.addEventListener("focusout", () => setTimeout(soon, 2 * SETTLE_MS));
  tell();
}

function context(app) {
  const { system_prompt = "", sampling = {} } = app.settings();
  const defaults = app.model()?.default_sampling ?? app.state.info?.default_sampling ?? {};
  return { conversation_id: app.state.conversationId, language: app.state.language, system_prompt, sampling, defaults };
}

function isInHand(root) {
  return root.contains(document.activeElement) && document.activeElement.matches("textarea, input");
}

function sameConversation(before, after) {
  if (!before) return false;
  const [a, b] = [JSON.parse(before), JSON.parse(after)];
  return a.conversation_id === b.conversation_id && a.language === b.language;
}

function hearDraft(app, element) {
  new MutationObserver(() => {
    if (app.state.conversationId) return;
    Object.assign(app.state.draft, JSON.parse(element.textContent.trim() || "{}"));
    app.emit("draft");
  }).observe(element, { childList: true, characterData: true, subtree: true });
}
