/** Text areas: growing with their text, and the key that sends it. */

/**
 * Fit a text area to its text.
 * @param {HTMLTextAreaElement} area
 */
export function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

/**
 * Whether a key sends the text: Enter without modifiers, unless it confirms an input method's composition.
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
export function isSendKey(event) {
  const composing = event.isComposing || event.keyCode === 229;
  return event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey && !composing;
}
