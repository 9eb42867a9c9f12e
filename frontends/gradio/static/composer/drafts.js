/** Drafts: the unsent text of each conversation, in the browser's local storage. */

const PREFIX = "parley.draft.";
const NEW = "new";

/**
 * @param {string|null} conversationId
 * @returns {string}
 */
export function readDraft(conversationId) {
  return localStorage.getItem(PREFIX + (conversationId ?? NEW)) ?? "";
}

/**
 * @param {string|null} conversationId
 * @param {string} text
 */
export function keepDraft(conversationId, text) {
  const key = PREFIX + (conversationId ?? NEW);
  try {
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
  } catch {
    // Local storage is full or disabled: the text is still in the box.
  }
}
