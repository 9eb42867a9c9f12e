/** A popover at a button. It closes on Escape, on a click outside, or when another one opens. */
import { h } from "../page/dom.js";
import { pageHistory } from "../page/page_history.js";
import { iconButton } from "./buttons.js";

let open = null; // the open popover, at most one

/**
 * @param {HTMLElement} anchor the button; focused again when the popover closes
 * @param {{title: string, close: string, content: Node[], className?: string, onClose?: () => void}} options
 * @returns {{close: () => void, element: HTMLElement}}
 */
export function showPopover(anchor, { title, close, content, className = "", onClose }) {
  open?.close();
  const dismiss = iconButton("close", close, () => handle.close());
  const element = h(
    "div",
    { class: `p-popover ${className}`, role: "dialog", "aria-label": title, tabindex: "-1" },
    h("div.p-popover-head", {}, h("strong", {}, title), dismiss),
    ...content,
  );
  const handle = {
    element,
    close: () => {
      if (!shut(handle, anchor, outside)) return;
      uncover();
      onClose?.();
    },
  };
  const outside = (event) => {
    if (!element.contains(event.target) && !anchor.contains(event.target)) handle.close();
  };
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    handle.close();
  });
  document.body.append(element);
  placePopover(element, anchor);
  anchor.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  element.focus({ preventScroll: true });
  const uncover = pageHistory.cover(handle.close);
  open = handle;
  return handle;
}

/** Close the open popover, if any. */
export function closePopover() {
  open?.close();
}

/** @returns {boolean} whether it was open */
function shut(handle, anchor, outside) {
  if (open !== handle) return false;
  open = null;
  const hadFocus = handle.element.contains(document.activeElement);
  handle.element.remove();
  anchor.setAttribute("aria-expanded", "false");
  document.removeEventListener("pointerdown", outside, true);
  if (hadFocus && anchor.isConnected) anchor.focus({ preventScroll: true });
  return true;
}

/**
 * Put a popover at its anchor, also after its content has grown.
 * @param {HTMLElement} element
 * @param {HTMLElement} anchor
 */
export function placePopover(element, anchor) {
  const at = anchor.getBoundingClientRect();
  const box = element.getBoundingClientRect();
  const gap = 6;
  const below = at.bottom + gap + box.height < innerHeight;
  const top = below ? at.bottom + gap : Math.max(gap, at.top - gap - box.height);
  const left = Math.min(Math.max(gap, at.left - 12), innerWidth - box.width - gap);
  element.style.top = `${top}px`;
  element.style.left = `${left}px`;
}
