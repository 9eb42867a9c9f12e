/** What Enter does in a box for a message: it sends, or begins a new line. Chosen per browser. */
import { readStored, store } from "../page/storage.js";

const KEY = "parley.enter";

/** @returns {boolean} what was chosen; else not on a touch screen, whose keyboard has no Shift+Enter */
export function enterSends() {
  const chosen = readStored(KEY);
  return chosen === null ? !matchMedia("(pointer: coarse)").matches : chosen === "sends";
}

/** @param {boolean} sends */
export function chooseEnter(sends) {
  store(KEY, sends ? "sends" : "breaks");
}

/**
 * @param {KeyboardEvent} event
 * @returns {boolean} whether this key sends the text: Enter if that sends, and Ctrl+Enter or Cmd+Enter anyway
 */
export function isSendKey(event) {
  if (event.key !== "Enter" || event.shiftKey || event.altKey) return false;
  return event.ctrlKey || event.metaKey || enterSends();
}
