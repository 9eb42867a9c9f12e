/** A text setting: instructions, seed or stop sequences. */
import { h } from "../page/dom.js";

/** Label, hint, text box and, below it, the error. */
export class TextSetting {
  /**
   * @param {Object} app
   * @param {{name: string, box: HTMLInputElement|HTMLTextAreaElement, placeholder?: boolean}} spec
   * @param {{typed?: (text: string) => void, commit: (text: string) => string|null}} on `commit` returns the i18n key
   *   of an error, or null
   */
  constructor(app, { name, box, placeholder = false }, on) {
    this.app = app;
    this.key = name;
    this.hasPlaceholder = placeholder;
    this.problem = null; // the i18n key of the error shown
    this.value = "";
    this.isTyping = false; // whether the box contains what was typed and not committed
    const id = `parley-${name.replace("_", "-")}`;
    Object.assign(box, { id });
    box.setAttribute("aria-describedby", `${id}-hint ${id}-problem`);
    this.box = box;
    this.label = h("label", { for: id });
    this.hint = h("p.p-setting-hint", { id: `${id}-hint` });
    this.error = h("p.p-error", { id: `${id}-problem`, role: "alert", hidden: true });
    this.element = h("div.p-setting", {}, this.label, this.hint, box, this.error);
    box.addEventListener("input", () => {
      this.isTyping = true;
      this.#showProblem(null);
      on.typed?.(box.value);
    });
    box.addEventListener("change", () => {
      this.isTyping = false;
      this.#showProblem(on.commit(box.value));
    });
    box.addEventListener("blur", () => {
      this.isTyping = false;
      this.show(this.value);
    });
  }

  /** Set the texts in the current language. */
  setTexts() {
    const { app, key } = this;
    this.label.textContent = app.t(`settings.${key}_label`);
    this.hint.textContent = app.t(`settings.${key}_hint`);
    if (this.hasPlaceholder) this.box.placeholder = app.t(`settings.${key}_placeholder`);
    this.#showProblem(this.problem);
  }

  #showProblem(problem) {
    this.problem = problem;
    this.error.hidden = !problem;
    this.error.textContent = problem ? this.app.t(problem) : "";
    if (problem) this.box.setAttribute("aria-invalid", "true");
    else this.box.removeAttribute("aria-invalid");
  }

  /** Discard what was typed, when another conversation is opened or the settings are reset. */
  clear() {
    this.isTyping = false;
    this.#showProblem(null);
    this.box.value = this.value;
  }

  /** @param {string} value shown unless another one is being typed, or was refused */
  show(value) {
    this.value = value;
    if (!this.isTyping && !this.problem && this.box.value !== value) this.box.value = value;
  }
}
