/** Saves changes in one request at a time, so that an older state can't be stored after a newer one. No DOM. */
import { isRefusal } from "../page/api.js";

/** Changes made while a request runs are collected for the next one. */
export class ChangeSaver {
  #isDue = false; // whether there are changes that no request has tried to save
  #sending = {};
  #running = null; // the promise of the requests in progress

  /**
   * @param {Object} on
   * @param {(changes: Object) => Promise<void>} on.save sends the changed parts, by name
   * @param {() => void} on.saved nothing is left to save
   * @param {(error: Error) => void} on.failed changes that did not reach the server are sent again with the next one
   * @param {(parts: string[]) => void} on.refused the server does not accept them, and they are given up
   */
  constructor(on) {
    this.on = on;
    this.pending = {};
  }

  /** @param {Object} changes parts by name */
  put(changes) {
    Object.assign(this.pending, changes);
    this.#isDue = true;
    this.#running ??= this.#saveAll();
  }

  /** Send again what did not reach the server. */
  retry() {
    if (Object.keys(this.pending).length > 0) this.put({});
  }

  /** @returns {boolean} whether the latest change of this part is not saved yet */
  holds(part) {
    return part in this.pending || part in this.#sending;
  }

  /** Wait until every change was sent. */
  async settled() {
    await this.#running;
  }

  async #saveAll() {
    let lost = null;
    let refused = null;
    while (this.#isDue) {
      this.#isDue = false;
      const sending = (this.#sending = this.pending);
      this.pending = {};
      lost = await this.on.save(sending).then(
        () => null,
        (problem) => problem,
      );
      this.#sending = {};
      if (!lost) continue;
      if (!isRefusal(lost)) this.pending = { ...sending, ...this.pending };
      else {
        refused = lost;
        lost = null;
        this.on.refused(Object.keys(sending));
      }
    }
    this.#running = null;
    const error = lost ?? refused;
    if (error) this.on.failed(error);
    else this.on.saved();
  }
}
