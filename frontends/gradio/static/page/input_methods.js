/** Keys that an input method has used: to confirm a candidate, to close the list of candidates, to move in it. */

/**
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key was pressed for the input method. Safari ends the composition before it tells of
 *   the key that has confirmed it, and says so by the key code only.
 */
function isForInputMethod(event) {
  return event.isComposing || event.keyCode === 229;
}

/**
 * Keep such keys from every part of the page, so that none has to know of input methods. The browser and the input
 * method get them as always. To be called before any other listener is added to `target`.
 * @param {EventTarget} [target]
 */
export function hideInputMethodKeys(target = window) {
  const hide = (event) => isForInputMethod(event) && event.stopImmediatePropagation();
  target.addEventListener("keydown", hide, true);
}
