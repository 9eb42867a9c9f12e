/** Draws replies side by side with what is needed to choose between them. Their texts are the conversation's own views. */
import { joined } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { ChoiceBar, choiceOfKey, isEmptyBox } from "./choice_bar.js";
import { contenderNames } from "./contender_names.js";
import { choiceOf, followed, isMute, letter } from "./judgement.js";
import { isTaken } from "./keep_clear.js";
import { orderOf, ranksOf } from "./order.js";
import { OrderList } from "./order_list.js";

/**
 * @typedef {Object} Comparison replies that are shown side by side
 * @property {import("./judgement.js").Ranking|null} ranking null until the server has answered
 * @property {(import("../conversation/message_tree.js").Message|null)[]} messages from the left
 * @property {boolean} isMasked whether nobody may see yet who wrote them
 * @property {boolean} isChange whether a choice that was made is being changed
 */

/** One comparison at a time. */
export class ComparisonView {
  /**
   * @param {Object} app
   * @param {(message: Object) => import("../conversation/message_view.js").MessageView} viewOf
   */
  constructor(app, viewOf) {
    Object.assign(this, { app, viewOf });
    this.handlers = null; // the CompareActions, set by main.js
    this.shown = null; // the Comparison
    this.order = null; // as it is being made
    this.columns = [];
    this.status = h("p.p-verdict-status", { role: "status" });
    this.keys = h("p.p-verdict-keys");
    this.bar = new ChoiceBar(app, (choice, button) => this.handlers.choose(choice, button));
    this.list = new OrderList(app, (order) => this.#ordered(order));
    this.save = textButton("", () => this.handlers.rank(ranksOf(this.order), this.save), "p-primary");
    this.leave = h("button.p-button.p-plain", { type: "button", onclick: () => this.#leave() });
    this.grid = h("div.p-contenders");
    this.foot = h("div.p-verdict-foot", {}, this.save, this.leave);
    this.verdict = h("div.p-verdict", {}, this.status, this.bar.element, this.list.element, this.keys, this.foot);
    this.element = h("section.p-comparison", { tabindex: "-1" }, this.grid, this.verdict);
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  get #isEnded() {
    return this.shown.messages.every((message) => message && message.state !== "pending");
  }

  // Two of the replies have an answer; of a pair that is both.
  get #isComparable() {
    return this.shown.messages.filter((message) => message && !isMute(message)).length >= 2;
  }

  get #isPair() {
    return this.shown.messages.length === 2;
  }

  /**
   * @param {Comparison} comparison
   * @returns {HTMLElement} it shows the comparison as it is now
   */
  show(comparison) {
    const before = this.shown;
    this.shown = comparison;
    const isAnother = before?.ranking?.id !== comparison.ranking?.id || before?.isChange !== comparison.isChange;
    if (isAnother) {
      this.verdict.style.position = "";
      this.grid.style.minHeight = "";
      this.order = comparison.ranking && orderOf(itemsAsShown(comparison));
    }
    this.#drawColumns();
    this.#drawVerdict();
    return this.element;
  }

  /** Draw it again in the current language. */
  redraw() {
    if (this.element.isConnected) this.show(this.shown);
  }

  #drawColumns() {
    const { messages, isMasked } = this.shown;
    while (this.columns.length < messages.length) this.columns.push(newColumn());
    const columns = this.columns.slice(0, messages.length);
    const names = this.#names();
    const ranks = this.order && !this.#isPair ? ranksOf(this.order) : new Map();
    columns.forEach((column, at) => {
      const message = messages[at];
      const article = message ? this.#article(message, at) : this.#expected();
      if (column.body.firstChild !== article) column.body.replaceChildren(article);
      column.letter.textContent = letter(at);
      column.name.textContent = names[at];
      column.rank.textContent = message && ranks.has(message.id) && this.#isEnded ? this.#place(ranks.get(message.id)) : "";
      column.element.setAttribute("aria-label", this.#nameOf(at, names[at]));
    });
    const isThere = columns.every(({ element }, at) => this.grid.children[at] === element);
    if (!isThere || this.grid.children.length !== columns.length) {
      this.grid.replaceChildren(...columns.map(({ element }) => element));
    }
    this.grid.dataset.count = messages.length;
    this.element.toggleAttribute("data-masked", isMasked);
    this.element.toggleAttribute("data-change", this.shown.isChange);
  }

  #names() {
    const { messages, isMasked } = this.shown;
    if (isMasked || messages.includes(null)) return messages.map(() => "");
    return contenderNames(this.app, messages);
  }

  #nameOf(at, name) {
    const said = this.app.t("compare.reply", { letter: letter(at) });
    return name ? `${said}: ${name}` : said;
  }

  #place(rank) {
    return this.app.t("compare.rank", { rank });
  }

  #article(message, at) {
    const view = this.viewOf(message);
    if (view.element.parentElement !== this.columns[at].body) {
      for (const reserved of [view.element, view.body]) reserved.style.minHeight = ""; // by how it was shown before
    }
    view.mask(this.shown.isMasked ? this.app.t("compare.reply", { letter: letter(at) }) : null);
    return view.element;
  }

  // What stands in a column until the server has answered.
  #expected() {
    const dots = h("span.p-dots", { "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    return h("p.p-note.p-waiting", {}, dots, h("span", {}, this.app.t("chat.sending")));
  }

  #drawVerdict() {
    const { app } = this;
    const { ranking, messages, isChange } = this.shown;
    const isReady = this.#isEnded;
    const canCompare = !isReady || this.#isComparable;
    const said = canCompare ? this.#whatToDo(isReady) : app.t("compare.nothing", { letters: this.#muteLetters() });
    if (this.status.textContent !== said) this.status.textContent = said;
    this.element.setAttribute("aria-label", app.t("compare.title"));
    this.bar.element.hidden = !this.#isPair || !canCompare;
    this.keys.textContent = app.t("compare.order_keys", { count: messages.length });
    this.keys.hidden = this.list.element.hidden = this.#isPair || !ranking || !canCompare;
    this.save.hidden = this.#isPair || !canCompare;
    this.save.textContent = app.t("compare.save_order");
    this.save.disabled = !isReady;
    const next = followed(messages);
    const leave = canCompare || isMute(messages[next]) ? "compare.skip" : "compare.go_on";
    this.leave.textContent = app.t(isChange ? "compare.keep" : leave, { letter: letter(next) });
    this.leave.disabled = !isReady;
    if (this.#isPair) this.bar.show(ranking && choiceOf(ranking), !isReady);
    else if (ranking) this.list.show(messages, this.order, !isReady);
  }

  #whatToDo(isReady) {
    const key = isReady ? (this.#isPair ? "compare.which" : "compare.how_to_order") : "compare.wait";
    return this.app.t(key, { count: this.shown.messages.length });
  }

  #muteLetters() {
    const mute = this.shown.messages.flatMap((message, at) => (isMute(message) ? [letter(at)] : []));
    return joined(this.app, mute);
  }

  #ordered(order) {
    this.order = order;
    this.#drawColumns();
    const names = order.map(({ id }) => letter(this.shown.messages.findIndex((message) => message.id === id)));
    const signs = order.map(({ tied }, at) => `${at === 0 ? "" : tied ? " = " : " > "}${names[at]}`);
    this.status.textContent = signs.join("");
  }

  #leave() {
    if (this.shown.isChange) this.handlers.keep(this.leave);
    else this.handlers.skip(this.leave);
  }

  #key(event) {
    if (!this.element.isConnected || !this.#isPair || !this.#isEnded || !this.#isComparable) return;
    if (!this.element.contains(event.target) && !isEmptyBox(event.target)) return; // typed elsewhere, it is no vote
    const choice = choiceOfKey(event);
    if (!choice) return;
    event.preventDefault();
    this.handlers.choose(choice);
  }

  /**
   * Move its buttons down if one has come to a place where another was pressed.
   * @param {import("./keep_clear.js").Place} place
   */
  keepClear(place) {
    if (!isTaken(place, this.verdict)) return;
    this.verdict.style.position = "static";
    if (!isTaken(place, this.verdict)) return;
    const missing = Math.ceil(place.bottom - this.verdict.getBoundingClientRect().top);
    this.grid.style.minHeight = `${this.grid.offsetHeight + Math.max(0, missing)}px`;
  }

  /** Scroll to its beginning. */
  reveal() {
    this.element.scrollIntoView({ block: "start" });
  }

  /** Focus it, so that its keys work at once. */
  focus() {
    this.element.focus({ preventScroll: true });
  }
}

function itemsAsShown({ ranking, messages }) {
  const items = new Map(ranking.items.map((item) => [item.message_id, item]));
  return messages.map((message) => items.get(message.id));
}

function newColumn() {
  const [mark, name, rank, body] = [h("span.p-letter"), h("span.p-contender-name"), h("span.p-contender-rank"), h("div")];
  const head = h("header.p-contender-head", {}, mark, name, rank);
  const element = h("div.p-contender", { role: "group" }, head, body);
  return { element, letter: mark, name, rank, body };
}
