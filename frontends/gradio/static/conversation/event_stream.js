/** Server-sent events of one conversation: reconnects, resumes where it was, disconnects while the tab is hidden. */

const REPLY = ["queued", "started", "render", "finished", "rated"];
const NAMES = ["snapshot", "reset", "message", "updated", "deleted", ...REPLY]; // and "error"
const RETRY_MS = [300, 700, 1500, 3000, 5000];
// Browsers allow six connections to a server (HTTP/1.1): hidden tabs must not hold them.
const REST_AFTER_MS = 4000;

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
    this.onVisibility = () => (document.hidden ? this.#restSoon() : this.#wake());
    document.addEventListener("visibilitychange", this.onVisibility);
    this.#connect();
  }

  /** End it for good. */
  close() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.onVisibility);
    for (const timer of this.timers) clearTimeout(timer);
    this.#drop();
  }

  #after(ms, act) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, ms);
    this.timers.add(timer);
  }

  #restSoon() {
    this.#after(REST_AFTER_MS, () => document.hidden && this.#drop());
  }

  #drop() {
    this.source?.close();
    this.source = null;
  }

  #wake() {
    if (!this.source && !this.closed) this.#connect();
  }

  #connect() {
    if (this.closed || this.source) return;
    const at = this.lastId ? `?last_event_id=${encodeURIComponent(this.lastId)}` : "";
    const source = new EventSource(this.url + at);
    this.source = source;
    source.onopen = () => this.#opened();
    for (const name of NAMES) source.addEventListener(name, (event) => this.#received(name, event));
    // "error" is also what the browser calls a lost connection: an event of the server's has data.
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
    this.#drop();
    if (this.closed) return;
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
    this.failures += 1;
    // The first failure may be a server that just closed an old stream; the second means it is gone.
    if (this.failures > 1) this.on.lost();
    this.#after(wait, () => !document.hidden && this.#wake());
  }
}
