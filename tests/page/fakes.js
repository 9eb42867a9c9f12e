/** Stand in for what a browser and the server give the page's scripts. */

/** The latest EventSource that was opened, for tests that play the server. */
export class FakeEventSource extends EventTarget {
  static opened = [];

  constructor(url) {
    super();
    this.url = url;
    this.closed = false;
    FakeEventSource.opened.push(this);
  }

  /** The stream that is open now. */
  static get last() {
    return FakeEventSource.opened.at(-1);
  }

  close() {
    this.closed = true;
  }

  /** The server sends an event. */
  send(name, data = {}, id = "") {
    this.dispatchEvent(Object.assign(new Event(name), { data: JSON.stringify(data), lastEventId: id }));
  }

  /** The connection is lost. */
  fail() {
    this.dispatchEvent(new Event("error"));
  }
}

/** A document that has no elements: it can be hidden, and tell so. */
export class FakeDocument extends EventTarget {
  hidden = false;
  documentElement = { lang: "en", dataset: {} };
  activeElement = null;

  show(visible) {
    this.hidden = !visible;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

/** The browser's store. `full` makes it refuse. */
export class FakeStorage {
  constructor() {
    this.items = new Map();
    this.full = false;
    this.written = 0; // how often
  }

  get length() {
    return this.items.size;
  }

  key(at) {
    return [...this.items.keys()][at] ?? null;
  }

  getItem(key) {
    return this.items.get(key) ?? null;
  }

  setItem(key, value) {
    if (this.full) throw new Error("QuotaExceededError");
    this.written += 1;
    this.items.set(key, value);
  }

  removeItem(key) {
    this.items.delete(key);
  }
}

/** A promise that the test settles itself. */
export function deferred() {
  let settle;
  const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}

/** Let everything that waits for settled promises run. */
export async function turn() {
  await new Promise((resolve) => setImmediate(resolve));
}

/** What parts of the page share, as far as the tested ones ask for it. */
export function fakeApp(state = {}) {
  const emitted = [];
  const listeners = [];
  return {
    state: { language: "en", models: [], conversation: null, conversationId: null, draft: {}, ...state },
    t: (key, values = {}) => [key, ...Object.entries(values).map(([name, value]) => `${name}=${value}`)].join(" "),
    on: (event, act) => listeners.push([event, act]),
    emit(event, data) {
      emitted.push([event, data]);
      for (const [name, act] of listeners) if (name === event) act(data);
    },
    emitted,
    count: (event) => emitted.filter(([name]) => name === event).length,
    reference: () => null,
  };
}

/** A message as the API tells it. */
export function message(id, parent_id, values = {}) {
  const role = id.startsWith("q") ? "user" : "assistant";
  return { id, parent_id, role, content: id, state: "complete", created_at: "2026-01-01T00:00:00Z", ...values };
}

/** An open ranking of these replies, as they are shown from the left. */
export function ranking(...ids) {
  return {
    id: `r-${ids.join("")}`,
    source: ids.length > 2 ? "ranking" : "side_by_side",
    items: ids.map((message_id, position) => ({ message_id, rank: null, position })),
    blind: true,
    both_bad: false,
    open: true,
    withdrawn: false,
    created_at: "2026-01-01T00:00:00Z",
  };
}
