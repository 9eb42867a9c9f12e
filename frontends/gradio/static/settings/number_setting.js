/** A number setting: label, slider and number box. */
import { h } from "../page/dom.js";
import { readNumber } from "./sampling.js";

/** The elements of one numeric sampling setting. */
export class NumberSetting {
  /**
   * @param {Object} app
   * @param {import("./sampling.js").NumberField} field
   * @param {{edit: (value: number) => void, commit: () => void}} on
   */
  constructor(app, field, on) {
    this.app = app;
    this.field = field;
    this.on = on;
    this.isTyping = false; // whether the box contains what was typed and not committed
    const { low, high, step } = field;
    const id = `parley-${field.name}`;
    const range = { min: low, max: high, step, "aria-describedby": `${id}-hint` };
    this.label = h("label", { for: `${id}-number`, id: `${id}-label` });
    this.number = h("input.p-field.p-number", { ...range, type: "number", id: `${id}-number`, inputmode: "decimal" });
    this.slider = h("input.p-range", { ...range, type: "range", "aria-labelledby": `${id}-label` });
    this.hint = h("p.p-setting-hint", { id: `${id}-hint` });
    this.element = h(
      "div.p-setting",
      { id },
      h("div.p-setting-head", {}, this.label, this.number),
      this.slider,
      this.hint,
    );
    for (const input of [this.slider, this.number]) {
      input.addEventListener("input", () => this.#edit(input));
      input.addEventListener("change", () => this.#commit());
    }
    this.number.addEventListener("blur", () => this.#showStored());
    this.number.addEventListener("keydown", (event) => event.key === "Enter" && this.#commit());
  }

  #commit() {
    this.on.commit();
    this.#showStored();
  }

  // A number out of range was brought into it, and what is no number was ignored.
  #showStored() {
    this.isTyping = false;
    this.show(this.value);
  }

  #edit(input) {
    this.isTyping = input === this.number;
    const value = readNumber(this.field, input.value);
    if (value !== null) this.on.edit(value);
  }

  /** Set the texts in the current language. */
  setTexts() {
    this.label.textContent = this.app.t(`settings.${this.field.name}_label`);
    this.hint.textContent = this.app.t(`settings.${this.field.name}_hint`);
  }

  /** @param {number} value shown unless another one is being typed */
  show(value) {
    const { low, high } = this.field;
    this.value = value;
    this.slider.value = String(value);
    this.slider.style.setProperty("--p-share", String((Math.min(value, high) - low) / (high - low)));
    if (!this.isTyping) this.number.value = String(value);
  }
}
