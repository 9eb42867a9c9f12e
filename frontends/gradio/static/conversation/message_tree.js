/** A conversation's messages as a tree, with the path that is shown. No DOM. */
import { hasNews } from "../page/compare.js";

/**
 * @typedef {Object} Message see docs/api.md; with `html`, and `optimistic` until the server has stored it
 */

/** Messages by id, and the leaf of the path that is shown. */
export class MessageTree {
  constructor() {
    /** @type {Map<string, Message>} */
    this.messages = new Map();
    this.below = new Map(); // parent id → ids of its children, in order
    /** @type {string|null} */
    this.leaf = null;
    this.lastLeaf = new Map(); // message id → the leaf last shown below it
  }

  /** @param {string} id */
  get(id) {
    return this.messages.get(id);
  }

  /**
   * Add a message or update it; without news the same object stays. A finished message never becomes pending again.
   * @param {Message} message
   * @returns {Message}
   */
  add(message) {
    const known = this.messages.get(message.id);
    if (known && known.state !== "pending" && message.state === "pending") return known;
    if (!hasNews(known, message)) return known;
    const merged = { ...known, ...message };
    this.messages.set(message.id, merged);
    if (!known) this.#insert(merged);
    return merged;
  }

  #insert(message) {
    const siblings = this.below.get(message.parent_id) ?? [];
    const place = siblings.findLastIndex((id) => !isAfter(this.messages.get(id), message)) + 1;
    this.below.set(message.parent_id, siblings.toSpliced(place, 0, message.id));
  }

  /** @param {string} id */
  remove(id) {
    const message = this.messages.get(id);
    if (!message) return;
    this.messages.delete(id);
    this.below.set(
      message.parent_id,
      this.below.get(message.parent_id).filter((other) => other !== id),
    );
    if (this.leaf === id) this.leaf = message.parent_id;
  }

  /**
   * @param {string|null} parentId
   * @returns {Message[]} oldest first
   */
  children(parentId) {
    return (this.below.get(parentId) ?? []).map((id) => this.messages.get(id));
  }

  /**
   * @param {Message} message
   * @returns {{list: Message[], index: number}} its versions and its place among them
   */
  versions(message) {
    const list = this.children(message.parent_id);
    return { list, index: list.findIndex((other) => other.id === message.id) };
  }

  /** @returns {Message[]} from the first message to the leaf */
  path() {
    const path = [];
    for (let at = this.leaf; at !== null && path.length <= this.messages.size;) {
      const message = this.messages.get(at);
      if (!message) break;
      path.push(message);
      at = message.parent_id;
    }
    return path.reverse();
  }

  /**
   * Show the path that ends at `id`.
   * @param {string|null} id
   */
  show(id) {
    this.leaf = id;
    for (const message of this.path()) this.lastLeaf.set(message.id, id);
  }

  /**
   * Show a version: the path through `id` that was shown last, else the newest.
   * @param {string} id
   */
  showThrough(id) {
    const last = this.lastLeaf.get(id);
    this.show(last && this.messages.has(last) ? last : this.newestLeaf(id));
  }

  /**
   * @param {string|null} id
   * @returns {string|null} the leaf reached by following the newest children
   */
  newestLeaf(id) {
    for (let at = id; ;) {
      const child = this.children(at).at(-1);
      if (!child) return at;
      at = child.id;
    }
  }
}

function isAfter(a, b) {
  return a.created_at === b.created_at ? a.id > b.id : a.created_at > b.created_at;
}
