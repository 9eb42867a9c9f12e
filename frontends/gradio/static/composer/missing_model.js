/** Asks for another model where the open chat's own is not there any more: a silent change of it would surprise. */
import { preferredModel } from "../models/chosen_model.js";
import { modelName } from "../models/model_name.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { icon } from "../widgets/icons.js";

const DRAWN_AFTER = ["language", "models", "model", "conversation", "conversation-updated"];

/**
 * @param {Object} app
 * @param {() => void} openPicker
 * @returns {HTMLElement} empty while no model is missing
 */
export function missingModelNotice(app, openPicker) {
  const element = h("div", { role: "alert" });
  let drawn = null; // [missing, other, language], so that a button that has the focus keeps it
  const use = async (reference) => {
    try {
      await app.chooseModel(reference);
    } catch (error) {
      app.toast(app.errorText(error));
    }
  };
  const draw = () => {
    const missing = app.missingModel();
    const other = missing && preferredModel(app);
    const now = [missing, other, app.state.language].join();
    if (now === drawn) return;
    drawn = now;
    if (!missing) return element.replaceChildren();
    const text = h("span", {}, app.t("composer.missing_model", { model: missing }));
    const named = other && app.t("picker.use_named", { model: modelName(app, other) });
    const useOther = other && textButton(named, () => use(other), "p-small");
    const choose = textButton(app.t("picker.choose"), openPicker, "p-small");
    element.replaceChildren(h("div.p-alert", {}, icon("warning"), text, useOther, choose));
  };
  for (const event of DRAWN_AFTER) app.on(event, draw);
  return element;
}
