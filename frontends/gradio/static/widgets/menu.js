/** A menu at a button: arrow keys move, Enter chooses, Escape and a click outside close it. */
import { h } from "../page/dom.js";
import { pageHistory } from "../page/page_history.js";
import { icon } from "./icons.js";

const GAP = 4;

/**
 * @typedef {Object} Entry
 * @property {string} label
 * @property {string} icon
 * @property {() => void} [act]
 * @property {string} [href] a download instead of an action
 * @property {boolean} [danger]
 */

/**
 * Open a menu; it closes itself.
 * @param {HTMLElement} anchor the button; gets aria-expanded, and the focus when the menu closes
 * @param {string} label
 * @param {Entry[]} entries
 */
export function showMenu(anchor, label, entries) {
  const menu = h(
    "div.p-menu",
    { role: "menu", "aria-label": label },
    ...entries.map((entry) => item(entry, (returnFocus) => close(returnFocus))),
  );
  const outside = (event) => !menu.contains(event.target) && close(false);

  function close(returnFocus) {
    if (!menu.isConnected) return;
    document.removeEventListener("pointerdown", outside, true);
    removeEventListener("resize", leave);
    document.removeEventListener("scroll", leave, true);
    menu.remove();
    uncover();
    anchor.setAttribute("aria-expanded", "false");
    if (returnFocus && anchor.isConnected) anchor.focus({ preventScroll: true });
  }
  const leave = () => close(false);
  const uncover = pageHistory.cover(() => close(true));

  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close(true);
    } else if (event.key === "Tab") close(true);
    else move(menu, event);
  });
  document.body.append(menu);
  place(menu, anchor);
  anchor.setAttribute("aria-expanded", "true");
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("scroll", leave, true);
  addEventListener("resize", leave);
  menu.firstElementChild.focus({ preventScroll: true });
}

function item(entry, close) {
  const content = [icon(entry.icon), h("span", {}, entry.label)];
  const look = entry.danger ? ".p-danger" : "";
  if (entry.href) {
    const attrs = {
      role: "menuitem",
      tabindex: "-1",
      href: entry.href,
      download: "",
      onclick: () => setTimeout(close, 0, true),
    };
    return h(`a.p-menu-item${look}`, attrs, ...content);
  }
  const act = () => {
    close(true);
    entry.act();
  };
  return h(`button.p-menu-item${look}`, { type: "button", role: "menuitem", tabindex: "-1", onclick: act }, ...content);
}

function move(menu, event) {
  const items = [...menu.children];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  items[to % items.length].focus({ preventScroll: true });
}

function place(menu, anchor) {
  const at = anchor.getBoundingClientRect();
  const box = menu.getBoundingClientRect();
  const below = at.bottom + GAP + box.height <= innerHeight;
  menu.style.top = `${Math.max(GAP, below ? at.bottom + GAP : at.top - GAP - box.height)}px`;
  menu.style.left = `${Math.max(GAP, Math.min(at.left, innerWidth - box.width - GAP))}px`;
}
