/** The replies of a ranking as a list that is put in order: by dragging, with arrow keys, with number keys. */
import { h } from "../page/dom.js";
import { iconButton, nameButton } from "../widgets/buttons.js";
import { icon } from "../widgets/icons.js";
import { letter } from "./judgement.js";
import { move, ranksOf, setRank, toggleTie } from "./order.js";

const EXCERPT_CHARS = 160;

/** One row for each reply, best first. */
export class OrderList {
  /**
   * @param {Object} app
   * @param {(order: import("./order.js").Order) => void} changed
   */
  constructor(app, changed) {
    Object.assign(this, { app, changed });
    this.order = [];
    this.rows = new Map(); // message id → {element, rank, text, tie}
    this.disabled = true;
    this.dragged = null; // {id, startY, startAt, height}
    this.element = h("ol.p-order");
    this.element.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) this.element.addEventListener(end, () => this.#drop());
  }

  /**
   * @param {import("../conversation/message_tree.js").Message[]} messages as they are shown
   * @param {import("./order.js").Order} order
   * @param {boolean} disabled while they are being written
   */
  show(messages, order, disabled) {
    this.disabled = disabled;
    if (messages.some(({ id }) => !this.rows.has(id)) || this.rows.size !== messages.length) {
      this.rows = new Map(messages.map((message, at) => [message.id, this.#row(message.id, letter(at))]));
    }
    for (const { id, content } of messages) this.rows.get(id).text.textContent = content.slice(0, EXCERPT_CHARS);
    this.#place(order);
  }

  #row(id, name) {
    const tie = iconButton("equal", "", () => this.#change(toggleTie(this.order, id)), { dataset: { act: "tie" } });
    const [rank, text] = [h("span.p-order-rank"), h("span.p-order-text", { dir: "auto" })];
    const grip = h("span.p-order-grip", {}, icon("grip"));
    const element = h("li.p-order-row", { tabindex: "0" }, rank, grip, h("span.p-letter", {}, name), text, tie);
    element.addEventListener("keydown", (event) => this.#key(event, id));
    element.addEventListener("pointerdown", (event) => this.#grab(event, id));
    return { element, rank, text, tie, name };
  }

  #place(order) {
    const { app, disabled } = this;
    this.order = order;
    const ranks = ranksOf(order);
    order.forEach(({ id, tied }, at) => {
      const { element, rank, tie, name } = this.rows.get(id);
      // Only what is not in its place is moved: what is moved loses the focus and the pointer.
      if (this.element.children[at] !== element) this.element.insertBefore(element, this.element.children[at] ?? null);
      rank.textContent = ranks.get(id);
      element.toggleAttribute("data-tied", tied);
      element.setAttribute("aria-label", app.t("compare.place", { name, rank: ranks.get(id), count: order.length }));
      element.setAttribute("aria-disabled", String(disabled));
      nameButton(tie, app.t("compare.same_as_above"));
      tie.setAttribute("aria-pressed", String(tied));
      tie.disabled = disabled;
      tie.toggleAttribute("data-first", at === 0);
    });
    for (const extra of [...this.element.children].slice(order.length)) extra.remove();
  }

  #change(order) {
    if (order === this.order || this.disabled) return;
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    this.#place(order);
    focused?.focus({ preventScroll: true });
    this.changed(order);
  }

  #key(event, id) {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.order.findIndex((place) => place.id === id);
    const isRank = /^[1-9]$/.test(event.key) && Number(event.key) <= this.order.length;
    if (event.key === "ArrowUp") this.#change(move(this.order, id, at - 1));
    else if (event.key === "ArrowDown") this.#change(move(this.order, id, at + 1));
    else if (event.key === "=") this.#change(toggleTie(this.order, id));
    else if (isRank) this.#change(setRank(this.order, id, Number(event.key)));
    else return;
    event.preventDefault();
  }

  // --- dragging -----------------------------------------------------------------------------------

  #grab(event, id) {
    const onButton = event.target.closest("button");
    const byTouchOutside = event.pointerType === "touch" && !event.target.closest(".p-order-grip, .p-letter"); // scrolls
    if (this.disabled || event.button !== 0 || onButton || byTouchOutside) return;
    const { element } = this.rows.get(id);
    const [first, second] = this.element.children;
    const height = second.getBoundingClientRect().top - first.getBoundingClientRect().top;
    const at = this.order.findIndex((place) => place.id === id);
    this.dragged = { id, startY: event.clientY, startAt: at, height };
    this.element.setPointerCapture(event.pointerId);
    element.dataset.dragged = "";
  }

  #drag(event) {
    if (!this.dragged) return;
    const { id, startY, startAt, height } = this.dragged;
    const moved = event.clientY - startY;
    this.#change(move(this.order, id, startAt + Math.round(moved / height)));
    const now = this.order.findIndex((place) => place.id === id);
    this.rows.get(id).element.style.transform = `translateY(${moved - (now - startAt) * height}px)`;
  }

  #drop() {
    if (!this.dragged) return;
    const { element } = this.rows.get(this.dragged.id);
    this.dragged = null;
    element.style.transform = "";
    delete element.dataset.dragged;
    element.focus({ preventScroll: true });
  }
}
