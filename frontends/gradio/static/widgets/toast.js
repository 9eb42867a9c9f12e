/** Toasts: short messages at the bottom of the page. Newer ones come above; none moves to the place of another. */
import { h } from "../page/dom.js";

const SHOWN_MS = 6000;

/** @returns {(text: string, options?: {action?: string, onAction?: () => void}) => void} shows one message */
export function createToast() {
  const stack = h("div.p-toasts", { role: "status", "aria-live": "polite" });
  document.body.append(stack);
  return (text, { action, onAction } = {}) => {
    const remove = () => {
      toast.dataset.gone = "";
      if ([...stack.children].every((one) => "gone" in one.dataset)) stack.replaceChildren();
    };
    const act = () => {
      remove();
      onAction?.();
    };
    const button = action ? h("button.p-link", { type: "button", onclick: act }, action) : null;
    const toast = h("div.p-toast", {}, h("span", {}, text), button);
    stack.append(toast);
    setTimeout(remove, SHOWN_MS);
  };
}
