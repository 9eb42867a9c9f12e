/** Buttons with an icon or text. Icon buttons have a label for screen readers and a tooltip. */
import { h } from "../page/dom.js";
import { icon } from "./icons.js";

/**
 * A button with only an icon.
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
 * A button with text.
 * @param {string} text
 * @param {(event: MouseEvent) => void} onclick
 * @param {string} [look] "p-primary", "p-small" or both, separated by a dot
 * @param {string} [iconName]
 * @returns {HTMLButtonElement}
 */
export function textButton(text, onclick, look, iconName) {
  const tag = look ? `button.p-button.${look}` : "button.p-button";
  return h(tag, { type: "button", onclick }, iconName && icon(iconName), text);
}

/**
 * Set the label of an icon button and, if given, its icon.
 * @param {HTMLElement} button
 * @param {string} label
 * @param {string} [iconName]
 */
export function nameButton(button, label, iconName) {
  button.title = label;
  button.setAttribute("aria-label", label);
  if (iconName) button.replaceChildren(icon(iconName));
}
