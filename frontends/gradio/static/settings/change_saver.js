/** Saves changes one request after the other, so that no older state can be stored after a newer one. No DOM. */

/** What changes while a request runs is collected, and sent in one request next. */
export class ChangeSaver {
  #asked = false; // whether there are changes that no request has tried to save
  #sending = {};
  #running = null; // the promise of all that is under way

  /**
   * @param {Object} on
   * @param {(changes: Object) => Promise<void>} on.save sends changed parts, by name
   * @param {() => void} on.saved nothing is left to save
   * @param {(error: Error) => void} on.failed what it could not save is sent again with the next change
   */
  constructor(on) {
    this.on = on;
    this.pending = {};
  }

  /** @param {Object} changes parts by name */
  put(changes) {
    Object.assign(this.pending, changes);
    this.#asked = true;
    this.#running ??= this.#saveAll();
  }

  /** @returns {boolean} whether the store doesn't have this part as it was put here last */
  holds(part) {
    return part in this.pending || part in this.#sending;
  }

  /** Wait until every change was sent. */
  async settled() {
    await this.#running;
  }

  async #saveAll() {
    let error = null;
    while (this.#asked) {
      this.#asked = false;
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
