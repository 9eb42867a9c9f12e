/** Ratings of replies: each is sent once, in the order of the clicks, and shown before the server has answered. No DOM. */
import { same } from "../page/compare.js";

/**
 * @typedef {Object} Rating
 * @property {"up"|"down"|"retracted"} verdict
 * @property {string[]} reasons
 * @property {string} comment
 * @property {number|null} [score] 1 … 10
 */

/**
 * @typedef {Object} Entered what the box at a thumb contains
 * @property {string[]} reasons
 * @property {string} comment
 * @property {number|null} score
 */

/** Sends the ratings of the person at this page. */
export class Ratings {
  /**
   * @param {Object} app
   * @param {(id: string) => Rating|null} current the rating of a reply, as it is shown
   * @param {(id: string, rating: Rating|null) => void} show
   */
  constructor(app, current, show) {
    Object.assign(this, { app, current, show });
    this.sending = new Map(); // message id → {last request, what is stored as far as known}, until all are answered
    this.unsaved = new Map(); // message id → rating that could not be saved
  }

  /** @returns {boolean} whether a rating of this reply is still being sent: what others tell meanwhile is older */
  isSending(id) {
    return this.sending.has(id);
  }

  /**
   * Give a thumb. Pressing the same one again changes nothing.
   * @param {string} id
   * @param {"up"|"down"} verdict
   */
  async give(id, verdict) {
    if (this.current(id)?.verdict === verdict) return;
    await this.#send(id, { verdict, reasons: [], comment: "", score: null });
  }

  /**
   * What the box of a thumb shows: what is stored, or what could not be saved.
   * @param {string} id
   * @param {"up"|"down"} verdict
   * @returns {Entered}
   */
  entered(id, verdict) {
    const known = [this.unsaved.get(id), this.current(id)].find((rating) => rating?.verdict === verdict);
    return enteredIn(known);
  }

  /**
   * Save reasons, comment and score of a thumb. Nothing is sent if they are stored already, or if the thumb is no longer given.
   * @param {string} id
   * @param {"up"|"down"} verdict
   * @param {Entered} entered
   * @param {{opened?: Object, leaving?: boolean}} [options] `opened`: what was entered already when the box opened, which
   *   may be older than what is stored by now; `leaving`: the page may end at once, so that nothing is waited for
   * @returns {Promise<"saved"|"unchanged"|"withdrawn"|"failed">}
   */
  async explain(id, verdict, entered, { opened = null, leaving = false } = {}) {
    if (same(entered, opened) && !this.unsaved.has(id)) return "unchanged";
    const current = this.current(id);
    if (same(entered, enteredIn(current))) return "unchanged";
    const given = current?.verdict === verdict || this.unsaved.get(id)?.verdict === verdict;
    if (!given) return "withdrawn";
    return (await this.#send(id, { verdict, ...entered }, leaving)) ? "saved" : "failed";
  }

  /**
   * Withdraw a rating.
   * @param {string} id
   * @param {Entered} entered what the box contains, for the case that it is undone
   * @returns {Promise<(() => Promise<void>)|null>} undoes it; null if there was nothing to withdraw, or that failed
   */
  async withdraw(id, entered) {
    const current = this.current(id);
    if (!current) return null;
    const before = { verdict: current.verdict, ...entered };
    if (!(await this.#send(id, { verdict: "retracted" }))) return null;
    return async () => {
      if (!this.current(id)) await this.#send(id, before); // unless it was rated again
    };
  }

  /** @returns {Promise<boolean>} whether it was saved */
  async #send(id, rating, leaving = false) {
    const former = this.sending.get(id);
    const put = () => this.app.api.put(`/api/messages/${id}/rating`, rating, { keepalive: true });
    const request = former && !leaving ? former.request.then(put, put) : put();
    const sending = { request, stored: former ? former.stored : this.current(id) };
    this.sending.set(id, sending);
    this.unsaved.delete(id);
    this.show(id, rating.verdict === "retracted" ? null : rating);
    try {
      this.#stored(id, await request);
      return true;
    } catch (error) {
      if (rating.verdict !== "retracted") this.unsaved.set(id, rating);
      this.app.toast(this.app.errorText(error));
      return false;
    } finally {
      if (this.sending.get(id) === sending) {
        this.sending.delete(id);
        this.show(id, sending.stored);
      }
    }
  }

  // The requests that follow know it too, in case they fail.
  #stored(id, rating) {
    const sending = this.sending.get(id);
    if (sending) sending.stored = rating;
  }
}

function enteredIn(rating) {
  const { reasons = [], comment = "", score = null } = rating ?? {};
  return { reasons, comment, score };
}
