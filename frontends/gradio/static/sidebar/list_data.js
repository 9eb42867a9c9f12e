/** The data of the conversation list: the pages loaded so far, or search results. */
import { hasNews } from "../page/compare.js";

const PAGE_SIZE = 40;
const MAX_LIMIT = 200; // of the API

/** Holds `items` in the list's order and fetches more. */
export class ListData {
  /** @param {Object} app */
  constructor(app) {
    this.app = app;
    this.items = [];
    this.cursor = null;
    this.query = "";
    this.loaded = false;
    this.request = null;
  }

  /**
   * Reload the list, or load what `query` finds. A later call cancels an earlier one.
   * @param {string} [query]
   * @returns {Promise<boolean>} whether `items` are this call's result
   */
  async load(query = this.query) {
    const limit = query === this.query ? Math.min(MAX_LIMIT, Math.max(PAGE_SIZE, this.items.length)) : PAGE_SIZE;
    const found = await this.#get({ q: query, limit });
    if (!found) return false;
    const known = new Set(found.items.map((item) => item.id));
    const rest =
      query === this.query && found.next_cursor ? this.items.slice(limit).filter((item) => !known.has(item.id)) : [];
    this.items = [...found.items, ...rest];
    if (!rest.length) this.cursor = found.next_cursor;
    this.query = query;
    this.loaded = true;
    return true;
  }

  /** @returns {Promise<boolean>} whether there was another page */
  async more() {
    if (!this.cursor || this.request) return false;
    const found = await this.#get({ limit: PAGE_SIZE, cursor: this.cursor });
    if (!found) return false;
    const known = new Set(this.items.map((item) => item.id));
    this.items.push(...found.items.filter((item) => !known.has(item.id)));
    this.cursor = found.next_cursor;
    return true;
  }

  async #get(parameters) {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    const given = Object.entries(parameters).filter(([, value]) => value);
    try {
      return await this.app.api.get(`/api/conversations?${new URLSearchParams(given)}`, { signal: request.signal });
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    } finally {
      if (this.request === request) this.request = null;
    }
  }

  /**
   * Add or update a conversation.
   * @param {Object} conversation
   * @returns {boolean} whether that changed the list
   */
  put(conversation) {
    const at = this.items.findIndex((item) => item.id === conversation.id);
    if (at < 0 ? this.query : !hasNews(this.items[at], conversation)) return false;
    if (at >= 0) this.items[at] = { ...this.items[at], ...conversation };
    else this.items.unshift(conversation);
    if (!this.query) this.items.sort(inOrder);
    return true;
  }

  /**
   * @param {string} id
   * @returns {string|null} the id of the conversation now at its place in the list
   */
  remove(id) {
    const at = this.items.findIndex((item) => item.id === id);
    if (at < 0) return null;
    this.items.splice(at, 1);
    return (this.items[at] ?? this.items[at - 1])?.id ?? null;
  }
}

function inOrder(a, b) {
  if (a.pinned !== b.pinned) return a.pinned ? -1 : 1;
  return Date.parse(b.updated_at) - Date.parse(a.updated_at) || (a.id < b.id ? 1 : -1);
}
