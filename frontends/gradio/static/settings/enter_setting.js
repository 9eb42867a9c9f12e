/** The setting of this browser: whether Enter sends. */
import { h } from "../page/dom.js";
import { chooseEnter, enterSends } from "../widgets/enter_key.js";

/**
 * @param {Object} app emits "enter-key" when it is changed
 * @returns {HTMLElement}
 */
export function enterSetting(app) {
  const heading = h("h3");
  const box = h("input.p-check", { type: "checkbox", id: "parley-enter", "aria-describedby": "parley-enter-hint" });
  const label = h("span");
  const hint = h("p.p-setting-hint", { id: "parley-enter-hint" });
  box.addEventListener("change", () => {
    chooseEnter(box.checked);
    app.emit("enter-key", box.checked);
  });
  const draw = () => {
    box.checked = enterSends();
    heading.textContent = app.t("settings.browser_title");
    label.textContent = app.t("settings.enter_label");
    hint.textContent = app.t("settings.enter_hint");
  };
  app.on("language", draw);
  draw();
  const setting = h("div.p-setting", {}, h("label.p-check-row", {}, box, label), hint);
  return h("section.p-browser-settings", {}, heading, setting);
}
