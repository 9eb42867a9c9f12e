/** Radio buttons that look like segments or chips. */
import { h } from "../page/dom.js";

/**
 * @param {Object} spec
 * @param {string} spec.name of the group
 * @param {string} spec.value
 * @param {boolean} [spec.checked]
 * @param {boolean} [spec.disabled]
 * @param {string} [spec.title]
 * @param {() => void} spec.onchange called when it is chosen
 * @param {...(Node|string)} content
 * @returns {HTMLLabelElement}
 */
export function choice({ name, value, checked = false, disabled = false, title, onchange }, ...content) {
  const input = h("input", { type: "radio", name, value, disabled, onchange });
  input.checked = checked;
  return h("label.p-choice", { title }, input, h("span.p-choice-face", {}, ...content));
}

/**
 * @param {string} title
 * @param {"p-segments"|"p-chips"} look
 * @param {HTMLElement[]} choices
 * @returns {HTMLFieldSetElement}
 */
export function choiceGroup(title, look, choices) {
  const group = h(`div.${look}`, { role: "radiogroup", "aria-label": title }, ...choices);
  return h("fieldset.p-choice-group", {}, h("legend", {}, title), group);
}
