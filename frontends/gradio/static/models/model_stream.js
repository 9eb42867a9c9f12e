/** Event stream of the model list (SSE), open only while needed: browsers limit the connections to a server. */
import { address } from "../page/api.js";

const NAMES = ["models", "model", "removed", "memory"];
const RETRY_MS = 5000;

/** One stream at a time. It closes at the first event after it is no longer needed, and while the tab is hidden. */
export class ModelStream {
  /**
   * @param {() => string} language of the page
   * @param {() => boolean} isNeeded
   * @param {(name: string, data: Object) => void} onEvent
   */
  constructor(language, isNeeded, onEvent) {
    this.language = language;
    this.isNeeded = isNeeded;
    this.onEvent = onEvent;
    this.source = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
  }

  /** Open it if it is needed and not open. The first event is the whole list. */
  open() {
    if (this.source || document.hidden || !this.isNeeded()) return;
    const source = new EventSource(address(`/api/models/events?language=${this.language()}`));
    this.source = source;
    for (const name of NAMES) source.addEventListener(name, (event) => this.#received(name, event));
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
    setTimeout(() => this.open(), RETRY_MS);
  }
}
