/** The card in which somebody changes their password. */
import { h } from "../page/dom.js";
import { field, heading } from "./fields.js";

/**
 * @param {Object} app
 * @param {string} username for the browser's password manager
 * @param {() => void} changed
 * @returns {Node[]}
 */
export function passwordCard(app, username, changed) {
  const current = field(app.t("account.current_password"), { type: "password", autocomplete: "current-password", required: true });
  const next = field(app.t("account.new_password"), { type: "password", autocomplete: "new-password", required: true });
  const owner = h("input", { type: "text", autocomplete: "username", value: username, hidden: true });
  const problem = h("p.p-error", { role: "alert" });
  const button = h("button.p-button.p-small", { type: "submit" }, app.t("account.change_password"));
  const onsubmit = async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await app.api.put("/api/account/password", { current: current.input.value, new: next.input.value });
    } catch (error) {
      const isWrong = error.code === "wrong_password";
      problem.textContent = isWrong ? app.t("account.wrong_current") : app.errorText(error);
      (isWrong ? current : next).input.focus();
      return;
    }
    app.toast(app.t("account.password_changed"));
    changed();
  };
  const form = h("form.p-stack", { onsubmit }, owner, current.element, next.element, problem, h("div", {}, button));
  return [heading("h3", app.t("account.password")), h("p.p-muted", {}, app.t("account.password_hint")), form];
}
