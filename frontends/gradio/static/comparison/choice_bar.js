/** The buttons of a comparison of two: left, tie, both bad, right; and the keys that press them. */
import { h } from "../page/dom.js";

/** @type {{choice: import("./judgement.js").Choice, key: string, hint: string}[]} in the order in which they are shown */
const CHOICES = [
  { choice: "left", key: "ArrowLeft", hint: "←" },
  { choice: "tie", key: "t", hint: "T" },
  { choice: "both_bad", key: "n", hint: "N" },
  { choice: "right", key: "ArrowRight", hint: "→" },
];
const TEXT_FIELDS = "input, textarea, select, [contenteditable]";
const COVERING = "[role=dialog], [role=menu], [role=listbox]";

/** A row of four buttons. */
export class ChoiceBar {
  /**
   * @param {Object} app
   * @param {(choice: import("./judgement.js").Choice, button: HTMLElement) => void} choose
   */
  constructor(app, choose) {
    this.app = app;
    this.buttons = CHOICES.map(({ choice, hint }) => {
      const attrs = { type: "button", dataset: { act: `choose_${choice}` }, onclick: () => choose(choice, button.element) };
      const [label, key] = [h("span"), h("kbd", { "aria-hidden": "true" }, hint)];
      const button = { choice, label, element: h("button.p-button.p-choice-button", attrs, label, key) };
      return button;
    });
    const elements = this.buttons.map(({ element }) => element);
    this.element = h("div.p-choice-bar", { role: "group" }, ...elements);
  }

  /**
   * @param {import("./judgement.js").Choice|null} chosen
   * @param {boolean} disabled while the replies are being written
   */
  show(chosen, disabled) {
    const { app } = this;
    this.element.setAttribute("aria-label", app.t("compare.which"));
    CHOICES.forEach(({ choice, key }, at) => {
      const { element, label } = this.buttons[at];
      label.textContent = app.t(`compare.${choice}`);
      element.disabled = disabled;
      element.setAttribute("aria-pressed", String(choice === chosen));
      element.setAttribute("aria-keyshortcuts", key.length === 1 ? key.toUpperCase() : key);
    });
  }
}

/** @returns {boolean} whether this is the message box without text, where arrows would do nothing else */
export function isEmptyBox(target) {
  return target.id === "parley-input" && !target.value;
}

/**
 * @param {KeyboardEvent} event
 * @returns {import("./judgement.js").Choice|null} what the key chooses; null where it is typed, or meant for a dialog
 */
export function choiceOfKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return null;
  const isArrow = event.key.startsWith("Arrow");
  const isTyped = event.target.closest?.(`${TEXT_FIELDS}, ${COVERING}`);
  if (isTyped && !(isArrow && isEmptyBox(event.target))) return null;
  if (isArrow && event.target.closest?.("pre, .table")) return null; // scrolls it
  return CHOICES.find(({ key }) => key === event.key || key === event.key.toLowerCase())?.choice ?? null;
}
