/** The question that everybody is asked once: may judgements of their chats become training data? */
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { allowsTraining, hasLogin, refreshWho } from "./who.js";

/**
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function consentBar(app) {
  const bar = h("section.p-consent", { hidden: true });
  const answer = async (yes) => {
    try {
      await app.api.patch("/api/account", { allow_training: yes });
      await refreshWho(app);
    } catch (error) {
      app.toast(app.errorText(error));
    }
  };
  const draw = () => {
    bar.hidden = !hasLogin(app) || allowsTraining(app) !== null;
    if (bar.hidden) return;
    bar.setAttribute("aria-label", app.t("consent.title"));
    const buttons = [
      textButton(app.t("consent.yes"), () => void answer(true), "p-small"),
      textButton(app.t("consent.no"), () => void answer(false), "p-small"),
    ];
    bar.replaceChildren(h("p", {}, app.t("consent.question")), h("div.p-line", {}, ...buttons));
  };
  app.on("info", draw);
  app.on("language", draw);
  draw();
  return bar;
}
