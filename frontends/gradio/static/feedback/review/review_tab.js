/** The tab Review: judgements with filters, the selected one in full, decisions by click and by key. */
import { h } from "../../page/dom.js";
import { textButton } from "../../widgets/buttons.js";
import { ReviewFilters } from "./review_filters.js";
import { ReviewPreview } from "./review_preview.js";
import { reviewRow } from "./review_row.js";
import { ReviewState } from "./review_state.js";

const KEYS = { j: "next", k: "previous", a: "accepted", x: "excluded", u: "undo" };

/** @returns {{element: HTMLElement, show: () => void, hide: () => void}} */
export function reviewTab(app) {
  return new ReviewTab(app);
}

class ReviewTab {
  constructor(app) {
    this.app = app;
    this.visible = false;
    this.whole = new Map(); // id → the judgement with whole texts
    this.state = new ReviewState(app.api, () => this.draw());
    this.filters = new ReviewFilters(app, (values) => void this.state.load(values));
    this.preview = new ReviewPreview(app, {
      decide: (decision, note) => void this.#decide(decision, note),
      open: (item) => app.open(item.conversation_id, { message_id: item.replies[0].message_id, snippet: "", ranges: [] }),
      back: () => this.state.select(null),
    });
    this.list = h("ul.p-review-list");
    this.note = h("div.p-area-empty", { role: "status" });
    this.end = h("div.p-list-end", { "aria-hidden": "true" });
    this.scroller = h("div.p-review-scroller", {}, this.filters.element, this.list, this.note, this.end);
    this.element = h("div.p-review", {}, this.scroller, this.preview.element);
    new IntersectionObserver((seen) => seen[0].isIntersecting && void this.state.more(), {
      root: this.scroller,
      rootMargin: "300px",
    }).observe(this.end);
    document.addEventListener("keydown", (event) => this.#key(event));
    for (const event of ["language", "models"]) app.on(event, () => this.visible && this.#drawAll());
    app.on("connection", (up) => up && this.visible && void this.state.load());
  }

  show() {
    if (this.visible) return;
    this.visible = true;
    this.whole.clear();
    this.#drawAll();
    void this.state.load();
    void this.#readFacets();
  }

  hide() {
    this.visible = false;
  }

  async #readFacets() {
    try {
      this.filters.know(await this.app.api.get("/api/feedback/statistics"));
    } catch {
      // The list says what is wrong; the filters are read again when the tab is opened again.
    }
  }

  #drawAll() {
    this.filters.draw();
    this.draw();
  }

  draw() {
    const { state, app } = this;
    const focused = this.list.contains(document.activeElement) && document.activeElement.dataset.judgement;
    this.list.replaceChildren(
      ...state.items.map((item) =>
        reviewRow(app, item, { selected: item.id === state.selected, onclick: () => state.select(item.id) }),
      ),
    );
    this.element.toggleAttribute("data-open", state.selected !== null);
    const selected = this.list.querySelector("[aria-current]");
    if (focused) (selected ?? this.list.querySelector("button"))?.focus({ preventScroll: true });
    if (state.selected !== this.shown) selected?.scrollIntoView({ block: "nearest" });
    this.shown = state.selected;
    this.#drawNote();
    this.#drawPreview();
  }

  #drawNote() {
    const { state, app } = this;
    const again = () => textButton(app.t("sidebar.again"), () => void state.load(), "p-small", "refresh");
    if (state.failed) this.note.replaceChildren(h("p", {}, app.errorText(state.failed)), again());
    else if (state.loading && !state.items.length) this.note.replaceChildren(h("p", {}, app.t("feedback.loading")));
    else if (state.items.length) this.note.replaceChildren();
    else this.note.replaceChildren(h("p", {}, app.t(state.isFiltered ? "review.none_found" : "review.none")));
  }

  #drawPreview() {
    const { current } = this.state;
    if (current && !this.whole.has(current.id)) void this.#readWhole(current.id);
    const whole = current && this.whole.get(current.id);
    this.preview.draw(current && { ...whole, ...current, ...(whole && texts(whole)) });
  }

  async #readWhole(id) {
    this.whole.set(id, null); // asked for once
    try {
      this.whole.set(id, await this.app.api.get(`/api/feedback/judgements/${id}`));
    } catch {
      return; // the beginnings of the texts stay
    }
    if (this.state.selected === id) this.#drawPreview();
  }

  async #decide(decision, note) {
    const { app, state } = this;
    const id = state.selected;
    try {
      await state.decide(decision, note);
      this.whole.delete(id);
      const undo = { action: app.t("app.undo"), onAction: () => void this.#undo() };
      app.toast(app.t(`review.done_${decision}`), undo);
    } catch (error) {
      app.toast(app.errorText(error));
    }
  }

  async #undo() {
    try {
      await this.state.undo();
      this.whole.delete(this.state.selected);
      this.#drawPreview();
    } catch (error) {
      this.app.toast(this.app.errorText(error));
    }
  }

  #key(event) {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    const meant = KEYS[event.key.toLowerCase()];
    if (!this.visible || !meant || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    event.preventDefault();
    if (meant === "next") this.state.step(1);
    else if (meant === "previous") this.state.step(-1);
    else if (meant === "undo") void this.#undo();
    else void this.#decide(meant, this.preview.note.value.trim());
  }
}

function texts({ question, replies, rows, dropped }) {
  return { question, replies, rows, dropped };
}
