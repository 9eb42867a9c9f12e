/** The panel with the details of one model and the button to use or download it. */
import { isAdmin } from "../account/who.js";
import { bytes, joined, number } from "../i18n/format.js";
import { isActive } from "../jobs/job_state.js";
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { fetchingText, isTooLarge, isUsable, languageNames, share } from "./model_state.js";
import { VariantChoices } from "./variant_choices.js";

const IGNORED_SHOWN = 3;
const HERE = new Set(["ready", "loading", "loaded", "failed"]);
const KNOWN_REASONS = new Set(["smallest_gguf", "gpu", "no_gguf"]);

/** The lower half of the picker. Redrawn once a second while a model is downloaded, and keeps the focus. */
export class ModelPanel {
  /**
   * @param {Object} app
   * @param {Object} on
   * @param {(model: Object) => void} on.choose
   * @param {(reference: string) => void} on.refine choose another variant or adapter of the model in use
   * @param {(model: Object) => void} on.fetch
   * @param {(model: Object) => void} on.cancel
   * @param {(model: Object) => void} on.convert
   */
  constructor(app, on) {
    this.app = app;
    this.on = on;
    this.text = h("div.p-model-text");
    this.progress = h("progress.p-progress", { max: "1", hidden: true });
    this.button = h("button.p-button.p-small", { type: "button", onclick: () => this.act() });
    this.forget = h("button.p-button.p-small", { type: "button", onclick: () => on.cancel(this.model) });
    this.convert = h("button.p-button.p-small", { type: "button", onclick: () => on.convert(this.model) });
    this.choices = new VariantChoices(app, on.refine);
    this.element = h(
      "div.p-model-panel",
      {},
      this.text,
      this.choices.element,
      this.progress,
      h("div.p-model-foot", {}, this.button),
    );
  }

  /**
   * @param {Object|undefined} model
   * @param {boolean} current whether it is the conversation's model
   * @param {string} [reference] the selected base@quantization+adapter
   */
  show(model, current, reference) {
    this.element.hidden = !model;
    if (!model) return;
    this.model = model;
    this.text.replaceChildren(...this.#lines());
    this.choices.show(model, reference);
    this.progress.hidden = model.state !== "fetching";
    this.progress.value = share(model);
    this.progress.setAttribute("aria-label", fetchingText(this.app, model));
    this.#drawForget(Boolean(model.arriving) && model.state !== "fetching");
    this.#drawConvert();
    this.#drawButton(current);
  }

  #lines() {
    const { app, model } = this;
    const foreign = model.languages.length > 0 && !model.languages.includes(app.state.language);
    return [
      h("p", {}, model.description || model.title),
      foreign &&
        h(
          "p.p-model-warning",
          {},
          icon("info"),
          app.t("picker.other_language", { languages: languageNames(app, model.languages) }),
        ),
      isTooLarge(model) && h("p.p-model-warning", {}, icon("warning"), app.t("picker.too_large_hint")),
      this.#problem() && h("p.p-model-warning", {}, icon("warning"), h("span", {}, this.#problem())),
      model.error &&
        model.state !== "fetching" &&
        h(
          "p.p-error",
          { role: "alert" },
          app.errorText({ ...model.error, details: { ...model.error.details, model_id: model.id } }),
        ),
      h("p.p-muted", {}, this.#facts().join(" · ")),
    ].filter(Boolean);
  }

  #problem() {
    const { app, model } = this;
    if (!isAdmin(app)) return HERE.has(model.state) || model.state === "fetching" ? "" : app.t("picker.ask_administrator");
    if (model.fetchable) return model.state === "damaged" ? app.t("picker.damaged_hint") : "";
    const unusable = model.state === "damaged" || model.state === "not_fetched";
    return unusable && model.detail ? app.t("picker.folder_hint", { detail: model.detail }) : "";
  }

  #facts() {
    const { app, model } = this;
    return [
      model.memory_bytes && app.t("picker.memory", { size: bytes(app, model.memory_bytes) }),
      KNOWN_REASONS.has(model.why) && app.t(`picker.why_${model.why}`),
      model.context_tokens && app.t("picker.context", { count: number(app, model.context_tokens) }),
      (model.quantizations?.length ?? 0) < 2 && model.quantization, // otherwise the variant choices show it
      model.licence,
      model.ignored?.length > 0 && this.#ignored(),
    ].filter(Boolean);
  }

  #ignored() {
    const { app, model } = this;
    const names = joined(app, model.ignored.slice(0, IGNORED_SHOWN));
    const more = model.ignored.length - IGNORED_SHOWN;
    return more > 0
      ? app.t("picker.ignored_more", { names, count: number(app, more) })
      : app.t("picker.ignored", { names });
  }

  #drawButton(current) {
    const { app, model, button } = this;
    const look = this.#action(current);
    button.hidden = !look;
    if (!look) return;
    const text = app.t(look.key, { size: model.size_bytes ? bytes(app, model.size_bytes) : "" }).trim();
    button.classList.toggle("p-primary", look.primary);
    button.disabled = look.disabled ?? false;
    if (button.textContent !== text) button.replaceChildren(icon(look.icon), text);
    this.next = look.act;
  }

  /** A model that was requested by name and not downloaded completely can be removed from the list. */
  #drawForget(offered) {
    this.forget.textContent = this.app.t("picker.forget");
    if (!offered || !isAdmin(this.app)) this.forget.remove();
    else if (!this.forget.isConnected) this.button.before(this.forget);
  }

  /** A model that would be faster after a conversion can be converted, once at a time. */
  #drawConvert() {
    const { app, model, convert } = this;
    const isConverting = app.state.jobs.some(
      (job) => job.kind === "convert" && isActive(job) && job.parameters.model_id === model.id,
    );
    convert.textContent = app.t("jobs.convert_model");
    convert.disabled = isConverting;
    if (model.why !== "no_gguf" || !HERE.has(model.state) || !isAdmin(app)) convert.remove();
    else if (!convert.isConnected) this.button.after(convert);
  }

  #action(current) {
    const { model, on } = this;
    if (!isAdmin(this.app) && (model.state === "fetching" || !HERE.has(model.state))) return null;
    if (model.state === "fetching") return { key: "picker.cancel", icon: "close", primary: false, act: on.cancel };
    const absent = model.state === "not_fetched" || model.state === "damaged";
    if (absent && !model.fetchable) return null;
    if (absent)
      return {
        key: model.size_bytes ? "picker.fetch" : "picker.fetch_unknown",
        icon: "download",
        primary: !isTooLarge(model),
        act: on.fetch,
      };
    if (current) return { key: "picker.current", icon: "check", primary: false, disabled: true };
    return isUsable(model) || model.state === "failed"
      ? { key: "picker.use", icon: "check", primary: true, act: on.choose }
      : null;
  }

  /** Run the button's action. */
  act() {
    this.next?.(this.model);
  }

  /** Focus the button if it can be used. */
  focus() {
    if (!this.button.hidden && !this.button.disabled) this.button.focus({ preventScroll: true });
  }
}
