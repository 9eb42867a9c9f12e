/** Whether judgements of a chat's replies may become training data: a setting of the open chat, or of the next one. */
import { allowsTraining } from "../account/who.js";
import { h } from "../page/dom.js";

/**
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function trainingSetting(app) {
  const attrs = { type: "checkbox", id: "parley-training", "aria-describedby": "parley-training-hint" };
  const box = h("input.p-check", attrs);
  const label = h("span");
  const hint = h("p.p-setting-hint", { id: "parley-training-hint" });
  const draw = () => {
    box.checked = app.settings().allow_training ?? allowsTraining(app) ?? false;
    label.textContent = app.t("settings.training_label");
    hint.textContent = app.t("settings.training_hint");
  };
  box.addEventListener("change", async () => {
    const { conversationId } = app.state;
    const wanted = { allow_training: box.checked };
    if (conversationId === null) return void Object.assign(app.state.draft, wanted);
    try {
      await app.api.patch(`/api/conversations/${conversationId}`, wanted);
    } catch (error) {
      app.toast(app.errorText(error));
      draw();
    }
  });
  for (const event of ["language", "info", "open", "conversation", "conversation-updated"]) app.on(event, draw);
  draw();
  return h("div.p-setting", {}, h("label.p-check-row", {}, box, label), hint);
}
