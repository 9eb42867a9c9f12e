/** A labelled choice from a list, as the browser draws it. */
import { h } from "../page/dom.js";

/** Its options can change; the choice stays if it is still among them. */
export class SelectField {
  /** @param {(value: string) => void} onChange "" for the first option, which is no condition */
  constructor(onChange) {
    this.name = h("span.p-select-name");
    this.select = h("select.p-select", { onchange: () => onChange(this.select.value) });
    this.element = h("label.p-select-field", {}, this.name, this.select);
  }

  /**
   * @param {string} label
   * @param {[string, string][]} options value and text; without one to choose the field is hidden
   */
  draw(label, options) {
    const chosen = this.select.value;
    this.name.textContent = label;
    this.select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
    if (options.some(([value]) => value === chosen)) this.select.value = chosen;
    this.element.hidden = options.length < 2;
  }

  /** Choose without telling it. */
  set(value) {
    this.select.value = value;
  }
}
