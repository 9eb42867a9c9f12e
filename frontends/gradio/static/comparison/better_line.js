/** The line under a new version of a reply: better, the same or worse than the one before. Optional, one tap. */
import { h } from "../page/dom.js";
import { stepOf } from "./regenerated.js";

const STEPS = ["better", "same", "worse"];

/** Keeps the line of each reply that has one. */
export class BetterLines {
  /**
   * @param {Object} app
   */
  constructor(app) {
    this.app = app;
    this.handlers = null; // the CompareActions, set by main.js
  }

  /**
   * Show the line in a reply's element, or take it away.
   * @param {HTMLElement} element
   * @param {{id: string, beforeId: string, ranking: import("./judgement.js").Ranking|null}|null} regenerated
   */
  show(element, regenerated) {
    const line = element.querySelector(".p-better");
    if (!regenerated) return void line?.remove();
    const looks = `${this.app.state.language} ${regenerated.beforeId}`;
    const shown = line?.dataset.looks === looks ? line : this.#line(regenerated, looks);
    const said = stepOf(regenerated.ranking, regenerated.id);
    for (const button of shown.querySelectorAll("[data-step]"))
      button.setAttribute("aria-pressed", String(button.dataset.step === said));
    shown.toggleAttribute("data-said", said !== null);
    if (shown === line) return;
    line?.remove();
    element.append(shown);
  }

  #line({ id, beforeId }, looks) {
    const { app } = this;
    const step = (name) => {
      const onclick = () => this.handlers.step(id, beforeId, name);
      return h("button.p-better-step", { type: "button", dataset: { step: name }, onclick }, app.t(`better.${name}`));
    };
    const onclick = () => this.handlers.takeBack(id, beforeId);
    const withdraw = h("button.p-better-withdraw", { type: "button", onclick }, app.t("compare.withdraw"));
    const label = h("span.p-muted", {}, app.t("better.question"));
    const attributes = { role: "group", "aria-label": app.t("better.question"), dataset: { looks } };
    return h("div.p-better", attributes, label, ...STEPS.map(step), withdraw);
  }
}
