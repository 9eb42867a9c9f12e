/** Saves changes in one request at a time, so that an older state can't be stored after a newer one. No DOM. */

/** Changes made while a request runs are collected for the next one. */
export class ChangeSaver {
  #isDue = false; // whether there are changes that no request has tried to save
  #sending = {};
  #running = null; // the promise of the requests in progress

  /**
   * @param {Object} on
   * @param {(changes: Object) => Promise<void>} on.save sends the changed parts, by name
   * @param {() => void} on.saved nothing is left to save
   * @param {(error: Error) => void} on.failed unsaved changes are sent again with the next one
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

  /** @returns {boolean} whether the latest change of this part is not saved yet */
  holds(part) {
    return part in this.pending || part in this.#sending;
  }

  /** Wait until every change was sent. */
  async settled() {
    await this.#running;
  }

  async #saveAll() {
    let error = null;
    while (this.#isDue) {
      this.#isDue = false;
      this.#sending = this.pending;
      this.pending = {};
      error = await this.on.save(this.#sending).then(
        () => null,
        (problem) => problem,
      );
      if (error) this.pending = { ...this.#sending, ...this.pending };
      this.#sending = {};
    }
    this.#running = null;
    if (error) this.on.failed(error);
    else this.on.saved();
  }
}
