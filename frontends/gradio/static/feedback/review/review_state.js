/** What the review shows, and what happens to it: the list, the selection, decisions and taking them back. No DOM. */
import { listQuery } from "./list_query.js";

/**
 * @typedef {Object} Listed see docs/api.md
 * @property {string} id
 * @property {"open"|"accepted"|"excluded"} decision
 * @property {string} note
 */

export class ReviewState {
  /**
   * @param {import("../../page/api.js").Api} api
   * @param {() => void} changed called after each change
   */
  constructor(api, changed) {
    this.api = api;
    this.changed = changed;
    this.filters = {};
    this.items = [];
    this.selected = null; // the id of a judgement
    this.cursor = null;
    this.loading = false;
    this.failed = null;
    this.done = []; // decisions that can be taken back: id, and what was before
  }

  /** @returns {Listed|undefined} */
  get current() {
    return this.items.find(({ id }) => id === this.selected);
  }

  get isFiltered() {
    return Object.values(this.filters).some(Boolean);
  }

  /** Read the list anew, with `filters` if given; the selection stays if it is still listed. */
  async load(filters = this.filters) {
    this.filters = filters;
    this.cursor = null;
    await this.#read((items) => items);
    if (!this.current) this.selected = null;
    this.changed();
  }

  /** Read the next page, if there is one. */
  async more() {
    if (this.cursor === null || this.loading) return;
    await this.#read((items) => [...this.items, ...items]);
    this.changed();
  }

  async #read(merged) {
    const call = (this.call = {});
    this.loading = true;
    this.changed();
    try {
      const page = await this.api.get(`/api/feedback/judgements?${listQuery(this.filters, this.cursor)}`);
      if (call !== this.call) return;
      this.items = merged(page.items);
      this.cursor = page.next_cursor;
      this.failed = null;
    } catch (error) {
      if (call === this.call) this.failed = error;
    }
    if (call === this.call) this.loading = false;
  }

  select(id) {
    this.selected = id;
    this.changed();
  }

  /** Select the next judgement (1) or the one before (-1); the next page is read before the list ends. */
  step(by) {
    const at = this.items.findIndex(({ id }) => id === this.selected);
    const next = at < 0 ? 0 : Math.min(this.items.length - 1, Math.max(0, at + by));
    if (this.items.length) this.select(this.items[next].id);
    if (next >= this.items.length - 3) void this.more();
  }

  /**
   * Decide about the selected judgement, and go on to the next one. What is shown changes at once, and back if the
   * server refuses.
   * @param {"accepted"|"excluded"|"open"} decision "open" takes a decision back, and stays
   * @param {string} [note]
   */
  async decide(decision, note = "") {
    const item = this.current;
    if (!item) return;
    const before = { id: item.id, decision: item.decision, note: item.note };
    this.done.push(before);
    if (decision !== "open") this.step(1);
    try {
      await this.#store(item.id, { decision, note });
    } catch (error) {
      this.done = this.done.filter((one) => one !== before);
      throw error;
    }
  }

  /** Take the last decision back, and select its judgement. */
  async undo() {
    const last = this.done.pop();
    if (!last) return;
    this.select(last.id);
    await this.#store(last.id, { decision: last.decision, note: last.note });
  }

  async #store(id, values) {
    const before = this.items.find((item) => item.id === id);
    this.#put(id, values);
    try {
      this.#put(id, await this.api.put(`/api/feedback/judgements/${id}/review`, values));
    } catch (error) {
      if (before) this.#put(id, before);
      throw error;
    }
  }

  #put(id, values) {
    this.items = this.items.map((item) => (item.id === id ? { ...item, ...values } : item));
    this.changed();
  }
}
