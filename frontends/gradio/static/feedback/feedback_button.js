/** The button in the sidebar that opens the feedback area. */
import { iconButton, nameButton } from "../widgets/buttons.js";

/**
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function feedbackButton(app) {
  const toggle = () => (app.state.view === null ? app.openView("review") : app.closeView());
  const button = iconButton("chart", "", toggle, { class: "p-icon p-feedback-button" });
  const draw = () => {
    nameButton(button, app.t("feedback.title"));
    button.setAttribute("aria-pressed", String(app.state.view !== null));
  };
  app.on("view", draw);
  app.on("language", draw);
  draw();
  return button;
}
