/** Drafts: the unsent text of each conversation, in the browser's local storage. */
import { readStored, removeStored, store } from "../page/storage.js";
import { throttled } from "../page/throttle.js";

const PREFIX = "parley.draft.";
const NEW = "new";
const PAUSE_MS = 500; // storing a long text takes longer than drawing a key

let typed = null; // {key, text} that is not stored yet
const storeSoon = throttled(storeTyped, PAUSE_MS);

/**
 * @param {string|null} conversationId
 * @returns {string}
 */
export function readDraft(conversationId) {
  storeTyped();
  return readStored(keyOf(conversationId)) ?? "";
}

/**
 * @param {string|null} conversationId
 * @param {string} text
 */
export function keepDraft(conversationId, text) {
  const key = keyOf(conversationId);
  if (typed?.key !== key) storeTyped();
  typed = null; // it was an earlier state
  store(key, text || null);
}

/**
 * Keep what is being typed, soon: `storeTyped` must be called when the page may end.
 * @param {string|null} conversationId
 * @param {string} text
 */
export function keepTyped(conversationId, text) {
  const key = keyOf(conversationId);
  if (typed?.key !== key) storeTyped();
  typed = { key, text };
  storeSoon();
}

/** Store at once what was typed. */
export function storeTyped() {
  if (typed) store(typed.key, typed.text || null);
  typed = null;
}

/** Remove all drafts. */
export function forgetDrafts() {
  typed = null;
  removeStored(PREFIX);
}

function keyOf(conversationId) {
  return PREFIX + (conversationId ?? NEW);
}
