/** Event stream of one conversation (SSE): reconnects, resumes after the last event, disconnects in hidden tabs. */
import { address } from "../page/api.js";

const REPLY_EVENTS = ["queued", "started", "reading", "reasoning", "render", "finished", "rated", "ranked"];
const NAMES = ["snapshot", "reset", "message", "updated", "deleted", ...REPLY_EVENTS]; // and "error"
const RETRY_MS = [300, 700, 1500, 3000, 5000];
// Browsers allow six connections to a server (HTTP/1.1): hidden tabs must not hold them.
const DISCONNECT_AFTER_MS = 4000;

/** One stream at a time, for one conversation. */
export class EventStream {
  /**
   * @param {string} url
   * @param {{event: (name: string, data: Object) => void, lost: () => void, back: () => void}} on
   */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.lastId = null;
    this.failures = 0;
    this.closed = false;
    this.source = null;
    this.timers = new Set();
    this.onVisibility = () => (document.hidden ? this.#disconnectSoon() : this.#reconnect());
    document.addEventListener("visibilitychange", this.onVisibility);
    this.#connect();
  }

  /** Close it permanently. */
  close() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.onVisibility);
    for (const timer of this.timers) clearTimeout(timer);
    this.#disconnect();
  }

  #after(ms, act) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, ms);
    this.timers.add(timer);
  }

  #disconnectSoon() {
    this.#after(DISCONNECT_AFTER_MS, () => document.hidden && this.#disconnect());
  }

  #disconnect() {
    this.source?.close();
    this.source = null;
  }

  #reconnect() {
    if (!this.source && !this.closed) this.#connect();
  }

  #connect() {
    if (this.closed || this.source) return;
    const at = this.lastId ? `?last_event_id=${encodeURIComponent(this.lastId)}` : "";
    const source = new EventSource(address(this.url + at));
    this.source = source;
    source.onopen = () => this.#opened();
    for (const name of NAMES) source.addEventListener(name, (event) => this.#received(name, event));
    // The browser also names a lost connection "error"; only the server's event has data.
    source.addEventListener("error", (event) => {
      if (event.data === undefined) this.#failed(source);
      else this.#received("error", event);
    });
  }

  #opened() {
    if (this.failures > 0) this.on.back();
    this.failures = 0;
  }

  #received(name, event) {
    if (event.lastEventId) this.lastId = event.lastEventId;
    this.on.event(name, JSON.parse(event.data || "{}"));
  }

  #failed(source) {
    if (this.source !== source) return;
    this.#disconnect();
    if (this.closed) return;
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    // The first failure may just be an old stream that the server closed; after the second the server counts as lost.
    if (this.failures > 1) this.on.lost();
    this.#after(wait, () => !document.hidden && this.#reconnect());
  }
}
