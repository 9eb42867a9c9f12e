/** The button at the foot of the sidebar: who is signed in, with a menu. Not shown where there are no accounts. */
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { showMenu } from "../widgets/menu.js";
import { leaveNothing } from "./belongings.js";
import { hasLogin, isAdmin, ownName } from "./who.js";

/**
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function accountButton(app) {
  const name = h("span.p-account-name", { dir: "auto" });
  const button = h(
    "button.p-account-button",
    { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => showMenu(button, app.t("account.title"), entries(app)) },
    icon("person"),
    name,
    icon("more"),
  );
  const draw = () => {
    button.hidden = !hasLogin(app);
    name.textContent = ownName(app);
    button.setAttribute("aria-label", app.t("account.of", { name: ownName(app) }));
  };
  app.on("info", draw);
  app.on("language", draw);
  draw();
  return button;
}

function entries(app) {
  return [
    { icon: "person", label: app.t("account.tab_account"), act: () => app.openView("account") },
    ...(isAdmin(app) ? [{ icon: "people", label: app.t("account.tab_people"), act: () => app.openView("people") }] : []),
    { icon: "exit", label: app.t("account.sign_out"), act: () => void signOut(app) },
  ];
}

async function signOut(app) {
  try {
    await app.api.delete("/api/session");
    leaveNothing();
    location.assign("./login");
  } catch (error) {
    app.toast(app.errorText(error));
  }
}
