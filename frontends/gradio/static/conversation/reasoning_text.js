/** The reasoning of one reply as it arrives: its text and how long it took. No DOM. */

/** Text that only grows; offsets are counted in code points, as in the API. */
export class ReasoningText {
  constructor() {
    this.text = "";
    this.length = 0; // code points
    this.thinking_ms = null; // null: it goes on, or how long it took is not known
  }

  /**
   * Add a piece. What is there already is not added again.
   * @param {{offset?: number, text: string, thinking_ms?: number|null}} piece
   * @returns {string} what is new
   */
  add({ offset = 0, text, thinking_ms = null }) {
    const points = Array.from(text);
    const added = points.slice(Math.max(0, this.length - offset));
    this.length += added.length;
    this.text += added.join("");
    this.thinking_ms = thinking_ms ?? this.thinking_ms;
    return added.join("");
  }
}

/**
 * @param {(key: string, values?: Object) => string} t
 * @param {{isRunning: boolean, thinking_ms: number|null}} state
 * @returns {string} the line to which reasoning is folded
 */
export function reasoningTitle(t, { isRunning, thinking_ms }) {
  if (thinking_ms === null) return t(isRunning ? "reasoning.running" : "reasoning.title");
  const seconds = Math.max(1, Math.round(thinking_ms / 1000));
  if (seconds < 60) return t("reasoning.seconds", { seconds });
  return t("reasoning.minutes", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
}
