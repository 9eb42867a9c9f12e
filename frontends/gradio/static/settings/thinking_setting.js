/** Whether a model thinks before it answers, and for how long at most. Hidden for models that don't think. */
import { h } from "../page/dom.js";
import { choice, choiceGroup } from "../widgets/choices.js";
import { TextSetting } from "./text_setting.js";

/** On or off, for models that can be told, and the limit. */
export class ThinkingSetting {
  /**
   * @param {Object} app
   * @param {{choose: (wanted: boolean) => void, limit: (text: string) => string|null}} on `limit` returns the i18n key
   *   of an error, or null
   */
  constructor(app, on) {
    this.app = app;
    this.canLimit = true;
    this.wanted = true;
    this.choose = on.choose;
    this.hint = h("p.p-setting-hint");
    this.options = h("div");
    this.choice = h("div.p-setting", { id: "parley-thinking" }, this.options, this.hint);
    this.limit = new TextSetting(
      app,
      {
        name: "thinking_tokens",
        box: h("input.p-field", { type: "text", inputmode: "numeric", autocomplete: "off" }),
        placeholder: true,
      },
      { commit: on.limit },
    );
    this.element = h("div.p-settings-form", { hidden: true }, this.choice, this.limit.element);
  }

  /** @param {{thinks: boolean, switch: boolean, limit: boolean}} [model] what the model can do */
  setModel(model) {
    this.element.hidden = !model?.thinks;
    this.choice.hidden = !model?.switch;
    this.canLimit = model?.limit ?? true;
    this.limit.box.disabled = !this.canLimit;
    this.setTexts();
  }

  /** Set the texts in the current language. */
  setTexts() {
    const { app } = this;
    const option = (name) => {
      const onchange = () => this.choose(name === "on");
      return choice({ name: "parley-thinking", value: name, onchange }, app.t(`settings.thinking_${name}`));
    };
    const title = app.t("settings.thinking_label");
    this.options.replaceChildren(choiceGroup(title, "p-segments", ["on", "off"].map(option)));
    this.#check();
    this.hint.textContent = app.t("settings.thinking_hint");
    this.limit.setTexts();
    if (!this.canLimit) this.limit.hint.textContent = app.t("settings.thinking_tokens_unable");
  }

  /** @param {{thinking: boolean|null, thinking_tokens: number|null}} values */
  show({ thinking, thinking_tokens }) {
    this.wanted = thinking !== false;
    this.#check();
    this.limit.show(thinking_tokens === null ? "" : String(thinking_tokens));
  }

  #check() {
    for (const input of this.options.querySelectorAll("input")) input.checked = (input.value === "on") === this.wanted;
  }
}
