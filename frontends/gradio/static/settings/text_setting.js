/** A text of the settings: the instructions, the seed, the stop sequences. */
import { h } from "../page/dom.js";

/** Label, hint, text box and, below it, what is wrong with the text. */
export class TextSetting {
  /**
   * @param {Object} app
   * @param {{name: string, box: HTMLInputElement|HTMLTextAreaElement, placeholder?: boolean}} spec
   * @param {{typed?: (text: string) => void, commit: (text: string) => string|null}} on `commit` returns the key of the
   *   sentence that says what is wrong
   */
  constructor(app, { name, box, placeholder = false }, on) {
    this.app = app;
    this.key = name;
    this.hasPlaceholder = placeholder;
    this.problem = null; // the key of the sentence that is shown below
    this.value = "";
    const id = `parley-${name.replace("_", "-")}`;
    Object.assign(box, { id });
    box.setAttribute("aria-describedby", `${id}-hint ${id}-problem`);
    this.box = box;
    this.label = h("label", { for: id });
    this.hint = h("p.p-setting-hint", { id: `${id}-hint` });
    this.error = h("p.p-error", { id: `${id}-problem`, role: "alert", hidden: true });
    this.element = h("div.p-setting", {}, this.label, this.hint, box, this.error);
    box.addEventListener("input", () => {
      this.#tell(null);
      on.typed?.(box.value);
    });
    box.addEventListener("change", () => this.#tell(on.commit(box.value)));
    box.addEventListener("blur", () => this.show(this.value));
  }

  /** Write the words in the reader's language. */
  name() {
    const { app, key } = this;
    this.label.textContent = app.t(`settings.${key}_label`);
    this.hint.textContent = app.t(`settings.${key}_hint`);
    if (this.hasPlaceholder) this.box.placeholder = app.t(`settings.${key}_placeholder`);
    this.#tell(this.problem);
  }

  #tell(problem) {
    this.problem = problem;
    this.error.hidden = !problem;
    this.error.textContent = problem ? this.app.t(problem) : "";
    if (problem) this.box.setAttribute("aria-invalid", "true");
    else this.box.removeAttribute("aria-invalid");
  }

  /** Forget what was typed: another conversation is shown, or all was reset. */
  clear() {
    this.#tell(null);
    this.box.value = this.value;
  }

  /** @param {string} value what is being typed, or is wrong and told so, is left alone */
  show(value) {
    this.value = value;
    if (document.activeElement !== this.box && !this.problem) this.box.value = value;
  }
}
