/** Toasts: short messages at the bottom of the page. Newer ones come above; none moves to the place of another. */
import { h } from "../page/dom.js";

const SHOWN_MS = 6000;

/**
 * @typedef {Object} ToastOptions
 * @property {string} [action] the text of a button
 * @property {() => void} [onAction]
 * @property {number} [shownMs]
 * @property {boolean} [stays] until it is removed; for progress, which screen readers are not told step by step
 */

/** @returns {(text: string, options?: ToastOptions) => {say: (text: string) => void, remove: () => void}} shows one */
export function createToast() {
  const stack = h("div.p-toasts", { role: "status", "aria-live": "polite" });
  document.body.append(stack);
  return (text, { action, onAction, shownMs = SHOWN_MS, stays = false } = {}) => {
    const remove = () => {
      toast.dataset.gone = "";
      if ([...stack.children].every((one) => "gone" in one.dataset)) stack.replaceChildren();
    };
    const act = () => {
      remove();
      onAction?.();
    };
    const button = action ? h("button.p-link", { type: "button", onclick: act }, action) : null;
    const words = h("span", {}, text);
    const toast = h("div.p-toast", { "aria-live": stays && "off" }, words, button);
    stack.append(toast);
    if (!stays) setTimeout(remove, shownMs);
    return { say: (changed) => (words.textContent = changed), remove };
  };
}
