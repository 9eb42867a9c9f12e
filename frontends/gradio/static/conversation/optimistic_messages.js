/** Optimistic messages: a question and a reply that are shown before the server has answered. */

const QUESTION = "optimistic-question";
const REPLY = "optimistic-reply";

/** Adds optimistic messages to a tree and replaces them by the server's. */
export class OptimisticMessages {
  /**
   * @param {import("./message_tree.js").MessageTree} tree
   * @param {(from: string, to: string) => void} rename keeps the drawn element under the new id
   */
  constructor(tree, rename) {
    this.tree = tree;
    this.rename = rename;
    this.stopRequested = false; // the reply is stopped as soon as the server has given it an id
  }

  /**
   * Add a question and its expected reply.
   * @param {string|null} parentId
   * @param {string} content
   * @param {string} [modelId]
   */
  question(parentId, content, modelId) {
    this.#add(QUESTION, parentId, { role: "user", content, state: "complete" });
    this.reply(QUESTION, { model_id: modelId, content: "" });
  }

  /**
   * Add an expected reply.
   * @param {string} parentId
   * @param {Object} like the model and the text that it begins with
   */
  reply(parentId, like) {
    const { model_id, content, html } = like;
    this.#add(REPLY, parentId, { role: "assistant", model_id, content, html, state: "pending" });
    this.tree.show(REPLY);
  }

  #add(id, parentId, values) {
    this.tree.remove(id);
    this.tree.add({ id, parent_id: parentId, created_at: new Date().toISOString(), optimistic: true, ...values });
  }

  /**
   * Add a message from the server in place of its optimistic one.
   * @param {import("./message_tree.js").Message} message
   */
  adopt(message) {
    const id = message.role === "user" ? QUESTION : REPLY;
    const optimistic = this.tree.get(id);
    const replaces = optimistic && optimistic.parent_id === message.parent_id && !this.tree.get(message.id);
    const shown = replaces && this.tree.path().some((other) => other.id === id);
    if (replaces) this.tree.remove(id);
    this.tree.add(message);
    if (!replaces) return;
    this.rename(id, message.id);
    const reply = id === QUESTION ? this.tree.get(REPLY) : null;
    if (reply) this.reply(message.id, reply);
    else if (shown) this.tree.show(message.id);
  }

  /** Remove them; the leaf becomes their parent again. @returns {boolean} whether there were any */
  clear() {
    const left = [REPLY, QUESTION].filter((id) => this.tree.get(id));
    for (const id of left) this.tree.remove(id);
    this.stopRequested = false;
    return left.length > 0;
  }
}
