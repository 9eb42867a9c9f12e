/** Buttons with icons or text. Each has a name for screen readers and a tooltip. */
import { h } from "../page/dom.js";
import { icon } from "./icons.js";

/**
 * A button that is only an icon.
 * @param {string} iconName
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Object} [attrs]
 * @returns {HTMLButtonElement}
 */
export function iconButton(iconName, label, onclick, attrs = {}) {
  return h("button.p-icon", { type: "button", title: label, "aria-label": label, onclick, ...attrs }, icon(iconName));
}

/**
 * A button with words.
 * @param {string} text
 * @param {(event: MouseEvent) => void} onclick
 * @param {string} [look] "p-primary", "p-small" or both, apart by a dot
 * @param {string} [iconName]
 * @returns {HTMLButtonElement}
 */
export function textButton(text, onclick, look, iconName) {
  const tag = look ? `button.p-button.${look}` : "button.p-button";
  return h(tag, { type: "button", onclick }, iconName && icon(iconName), text);
}

/**
 * Give an icon button another name and, perhaps, another icon.
 * @param {HTMLElement} button
 * @param {string} label
 * @param {string} [iconName]
 */
export function nameButton(button, label, iconName) {
  button.title = label;
  button.setAttribute("aria-label", label);
  if (iconName) button.replaceChildren(icon(iconName));
}
