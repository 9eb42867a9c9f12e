/** Toasts: short messages above the composer. Newer ones come above; none moves to the place of another. */
import { h } from "../page/dom.js";
import { freePlace } from "./toast_place.js";

const SHOWN_MS = 6000;
const KEPT_CLEAR = ".p-popover, .p-menu, .p-verdict";

/**
 * @typedef {Object} ToastOptions
 * @property {string} [action] the text of a button
 * @property {() => void} [onAction]
 * @property {number} [shownMs]
 * @property {boolean} [stays] until it is removed; for progress, which screen readers are not told step by step
 */

/**
 * @param {Object} app
 * @param {HTMLElement} composer
 * @returns {(text: string, options?: ToastOptions) => {say: (text: string) => void, remove: () => void}} shows one
 */
export function createToast(app, composer) {
  const stack = h("div.p-toasts", { role: "status", "aria-live": "polite" });
  document.body.append(stack);
  const place = () => stack.hasChildNodes() && moveClear(stack, composer);
  new MutationObserver(place).observe(document.body, { childList: true }); // popovers and menus
  const sizes = new ResizeObserver(place);
  for (const element of [stack, composer, document.documentElement]) sizes.observe(element);
  for (const event of ["screen", "view"]) app.on(event, place); // the composer moves, or can't be used
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
    place();
    return { say: (changed) => (words.textContent = changed), remove };
  };
}

/** Move toasts to where they cover nothing. */
function moveClear(stack, composer) {
  const used = composer.closest("[inert]") ? null : composer.getBoundingClientRect();
  const boxes = [...document.querySelectorAll(KEPT_CLEAR)].map((element) => element.getBoundingClientRect());
  const page = { width: innerWidth, height: innerHeight };
  const { top, bottom } = freePlace(stack.getBoundingClientRect(), page, used, boxes);
  stack.toggleAttribute("data-top", top !== undefined);
  stack.style.top = top === undefined ? "auto" : `${top}px`;
  stack.style.bottom = bottom === undefined ? "auto" : `${bottom}px`;
}
