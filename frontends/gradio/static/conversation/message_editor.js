/** The editor of a question or of a reply, in its place. It creates another version: the old one stays. */
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { enterSends, isSendKey } from "../widgets/enter_key.js";
import { grow, trimmed } from "../widgets/text_area.js";

/**
 * @param {Object} app
 * @param {string} content
 * @param {{typed: (text: string) => void, save: (text: string) => Promise<void>, close: () => void}} on
 * @param {{words: "edit"|"correct"}} options a question is sent with Enter, a reply has many lines
 * @returns {HTMLElement}
 */
export function editor(app, content, on, { words }) {
  const isQuestion = words === "edit";
  const area = h("textarea.p-field.p-grows", { "aria-label": app.t(`message.${words}_label`), rows: "1", dir: "auto" });
  area.enterKeyHint = isQuestion && enterSends() ? "send" : "enter";
  const error = h("p.p-error", { role: "alert", hidden: true });
  const send = h("button.p-button.p-primary", { type: "submit" }, app.t(`message.${words}_send`));
  const cancel = textButton(app.t("message.edit_cancel"), on.close);
  const hint = h("span.p-muted", {}, app.t(`message.${words}_hint`));
  const form = h("form.p-editor", {}, area, error, h("div.p-editor-foot", {}, send, cancel, hint));
  area.value = content;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = trimmed(area.value);
    if (!text || send.disabled) return; // Enter reaches a form whose button is disabled
    send.disabled = true;
    try {
      await on.save(text);
    } catch (problem) {
      error.textContent = app.errorText(problem);
      error.hidden = false;
      send.disabled = false;
    }
  });
  area.addEventListener("input", () => {
    grow(area);
    on.typed(area.value);
  });
  area.addEventListener("keydown", (event) => {
    if (isQuestion ? isSendKey(event) : isSaveKey(event)) {
      event.preventDefault();
      form.requestSubmit();
    }
    if (event.key === "Escape") {
      event.stopPropagation();
      on.close();
    }
  });
  requestAnimationFrame(() => {
    grow(area);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  });
  return form;
}

function isSaveKey(event) {
  return event.key === "Enter" && (event.ctrlKey || event.metaKey);
}
