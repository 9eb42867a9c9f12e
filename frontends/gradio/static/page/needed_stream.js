/** An event stream (SSE) that is open only while it is needed: browsers limit the connections to a server. */
import { address, checkSession } from "./api.js";

const RETRY_MS = 5000;

/**
 * Its first event is a whole list, the others are changes. It closes at the first event after it is no longer needed,
 * and while the tab is hidden.
 */
export class NeededStream {
  /**
   * @param {Object} of
   * @param {() => string} of.path e.g. "/api/models/events"
   * @param {string[]} of.names of its events
   * @param {() => boolean} of.isNeeded
   * @param {(name: string, data: Object) => void} of.onEvent
   */
  constructor({ path, names, isNeeded, onEvent }) {
    this.path = path;
    this.names = names;
    this.isNeeded = isNeeded;
    this.onEvent = onEvent;
    this.source = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
  }

  /** Open it if it is needed and not open. */
  open() {
    if (this.source || document.hidden || !this.isNeeded()) return;
    const source = new EventSource(address(this.path()));
    this.source = source;
    for (const name of this.names) source.addEventListener(name, (event) => this.#received(name, event));
    source.addEventListener("error", () => this.#failed(source));
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  #received(name, event) {
    this.onEvent(name, JSON.parse(event.data));
    if (!this.isNeeded()) this.close();
  }

  #failed(source) {
    if (this.source !== source) return;
    this.close();
    void checkSession();
    setTimeout(() => this.open(), RETRY_MS);
  }
}
