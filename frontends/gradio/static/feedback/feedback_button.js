/** The button in the sidebar that opens the feedback area. */
import { isAdmin } from "../account/who.js";
import { iconButton, nameButton } from "../widgets/buttons.js";
import { FEEDBACK_TABS } from "./tabs.js";

/**
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function feedbackButton(app) {
  const isOpen = () => FEEDBACK_TABS.some(({ name }) => name === app.state.view);
  const toggle = () => (isOpen() ? app.closeView() : app.openView(FEEDBACK_TABS[0].name));
  const button = iconButton("chart", "", toggle, { class: "p-icon p-feedback-button" });
  const draw = () => {
    nameButton(button, app.t("feedback.title"));
    button.setAttribute("aria-pressed", String(isOpen()));
    button.hidden = !isAdmin(app);
  };
  app.on("view", draw);
  app.on("info", draw);
  app.on("language", draw);
  draw();
  return button;
}
