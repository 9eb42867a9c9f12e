/** A secret that is shown once, with a button to copy it. */
import { copyText, h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";

/**
 * @param {Object} app
 * @param {string} advice what it is, and that it is not shown again
 * @param {string} secret
 * @returns {HTMLElement}
 */
export function shownOnce(app, advice, secret) {
  const text = h("input.p-field", { readonly: true, value: secret, dir: "ltr", "aria-label": advice });
  text.addEventListener("focus", () => text.select());
  const copy = textButton(
    app.t("account.copy"),
    async () => {
      if (await copyText(secret)) copy.textContent = app.t("account.copied");
      else text.select();
    },
    "p-small",
    "copy",
  );
  return h("div.p-shown-once", { role: "status" }, h("p", {}, advice), h("div.p-line", {}, text, copy));
}

/**
 * Lead to the secret that was just made in `card`.
 * @param {HTMLElement} card
 */
export function goToSecret(card) {
  card.querySelector(".p-shown-once input")?.focus();
}

/**
 * The whole address of a path that the server gave.
 * @param {string} path e.g. "/login#…"
 * @param {string} page the address of Parley's page
 */
export function wholeAddress(path, page) {
  return new URL(`.${path}`, page.replace(/[?#].*$/s, "")).href;
}
