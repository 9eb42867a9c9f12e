/** Fields and buttons of the account area's forms. */
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";

let count = 0;

/**
 * A labelled field.
 * @param {string} label
 * @param {Object} attributes of the input
 * @returns {{element: HTMLElement, input: HTMLInputElement}}
 */
export function field(label, attributes) {
  const id = `parley-field-${(count += 1)}`;
  const input = h("input.p-field", { id, ...attributes });
  return { element: h("div.p-labelled", {}, h("label", { for: id }, label), input), input };
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {[string, string][]} options values and their texts
 * @param {string} value
 * @param {(value: string) => void} [onchange]
 */
export function choice(label, options, value, onchange = () => {}) {
  const id = `parley-field-${(count += 1)}`;
  const select = h("select.p-field", { id, onchange: () => onchange(select.value) });
  select.append(...options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
  return { element: h("div.p-labelled", {}, h("label", { for: id }, label), select), input: select };
}

/**
 * A labelled box to tick.
 * @param {string} label
 * @param {boolean} checked
 */
export function tick(label, checked = false) {
  const input = h("input.p-check", { type: "checkbox", checked });
  return { element: h("label.p-check-row", {}, input, label), input };
}

/**
 * A button that asks once more before it acts: its first press only changes its text.
 * @param {string} text
 * @param {string} sure
 * @param {() => void} act
 */
export function carefulButton(text, sure, act) {
  const button = textButton(
    text,
    () => {
      if (button.hasAttribute("data-sure")) return act();
      button.setAttribute("data-sure", "");
      button.textContent = sure;
    },
    "p-small",
  );
  button.addEventListener("blur", () => {
    button.removeAttribute("data-sure");
    button.textContent = text;
  });
  return button;
}

/**
 * Draw a card again. The focus stays on the control of the same name, or else goes to the card's heading.
 * @param {HTMLElement} card
 * @param {...(Node|false)} nodes the first one is its heading
 */
export function redrawCard(card, ...nodes) {
  const { activeElement } = document;
  const hadFocus = card.contains(activeElement);
  card.replaceChildren(...nodes.filter(Boolean));
  if (!hadFocus) return;
  const { keep } = activeElement.dataset;
  const same = keep && card.querySelector(`[data-keep="${CSS.escape(keep)}"]`);
  (same || card.firstElementChild).focus({ preventScroll: true });
}

/**
 * A card's heading, which can have the focus when what had it is gone.
 * @param {string} tag
 * @param {string} text
 */
export function heading(tag, text) {
  return h(tag, { tabindex: "-1" }, text);
}

/**
 * Let `element` have the focus again after its card is drawn again.
 * @param {HTMLElement} element
 * @param {string} name
 */
export function keepsFocus(element, name) {
  element.dataset.keep = name;
  return element;
}
