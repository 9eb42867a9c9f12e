/** The line under a reply that was chosen among others: what was chosen, with buttons to change and withdraw it. */
import { h } from "../page/dom.js";
import { contenderNames } from "./contender_names.js";
import { asShown, choiceOf, letter, winnerOf } from "./judgement.js";

/**
 * What was chosen, in a sentence.
 * @param {Object} app
 * @param {import("./judgement.js").Ranking} ranking
 * @param {import("../conversation/message_tree.js").Message[]} messages its replies, as shown
 * @returns {string}
 */
export function verdictText(app, ranking, messages) {
  const names = contenderNames(app, messages).map((name, at) => named(app, letter(at), name));
  if (messages.length > 2) return app.t("compare.said_order", { order: orderText(ranking, names) });
  const choice = choiceOf(ranking);
  const [a, b] = choice === "right" ? [...names].reverse() : names;
  const isPreference = choice === "left" || choice === "right";
  return app.t(`compare.said_${isPreference ? "better" : choice}`, { a, b });
}

function named(app, mark, name) {
  return name ? app.t("compare.named", { letter: mark, name }) : mark;
}

function orderText(ranking, names) {
  const items = asShown(ranking).map((item, at) => ({ rank: item.rank, name: names[at] }));
  const sorted = items.sort((one, other) => one.rank - other.rank);
  return sorted
    .map(({ rank, name }, at) => (at === 0 ? name : `${rank === sorted[at - 1].rank ? " = " : " > "}${name}`))
    .join("");
}

/** Keeps the line of each reply that has one. */
export class VerdictLines {
  /**
   * @param {Object} app
   */
  constructor(app) {
    this.app = app;
    this.handlers = null; // the CompareActions, set by main.js
  }

  /**
   * Show the line in a reply's element, or take it away. Its place is kept: what follows would move under the pointer.
   * @param {HTMLElement} element
   * @param {import("./judgement.js").Ranking|null} ranking
   * @param {import("../conversation/message_tree.js").Message[]} messages
   */
  show(element, ranking, messages) {
    const line = element.querySelector(".p-verdict-line");
    if (!ranking) {
      if (line?.firstChild) {
        line.style.minHeight = `${line.offsetHeight}px`;
        line.replaceChildren();
      }
      return;
    }
    const text = verdictText(this.app, ranking, messages);
    const looks = `${text} ${this.app.state.language}`;
    if (line?.firstChild && line.dataset.looks === looks) return;
    const shown = line ?? h("div.p-verdict-line");
    shown.dataset.looks = looks;
    shown.style.minHeight = "";
    shown.replaceChildren(h("span", {}, text), ...this.#buttons(ranking));
    if (!line) element.append(shown);
  }

  #buttons(ranking) {
    const { app } = this;
    const winner = winnerOf(ranking);
    const button = (act, press) =>
      h("button.p-verdict-act", { type: "button", dataset: { act }, onclick: (event) => press(winner, event.currentTarget) }, app.t(`compare.${act}`));
    return [
      button("change", (id, pressed) => this.handlers.change(id, pressed)),
      button("withdraw", (id) => this.handlers.withdraw(id)),
    ];
  }
}
