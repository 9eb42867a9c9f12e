/** Radio buttons for a model's variant and its adapter. */
import { bytes } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { choice, choiceGroup } from "../widgets/choices.js";
import { icon } from "../widgets/icons.js";
import { freeBytes, isTooLarge } from "./model_state.js";
import { join, parts, variantOf } from "./reference.js";

const ABSENT = new Set(["fetching", "not_fetched", "damaged"]);

/** Two groups in the model panel. Redrawn only when something changed, and keeps the focus. */
export class VariantChoices {
  /**
   * @param {Object} app
   * @param {(reference: string) => void} choose
   */
  constructor(app, choose) {
    this.app = app;
    this.choose = choose;
    this.drawn = "";
    this.element = h("div.p-choices");
  }

  /**
   * @param {Object} model
   * @param {string} reference the current choice
   */
  show(model, reference) {
    const { quantizations = [], adapters = [] } = model;
    const isHere = !ABSENT.has(model.state);
    const language = this.app.state.language;
    const free = this.#free(quantizations);
    const look = JSON.stringify([model.id, reference, isHere, quantizations, adapters, language, free]);
    if (look === this.drawn) return;
    this.drawn = look;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.value : null;
    // The variants of a model that is not downloaded are shown for the memory that they will need.
    const showVariants = quantizations.length > 1 && (isHere || model.state === "not_fetched");
    const groups = [];
    if (showVariants) groups.push(this.#variants(model, reference, isHere));
    if (isHere && adapters.length > 0) groups.push(this.#adapters(model, reference));
    this.element.replaceChildren(...groups);
    this.element.hidden = groups.length === 0;
    if (focused !== null) this.#focus(focused);
  }

  #focus(value) {
    const inputs = [...this.element.querySelectorAll("input")];
    inputs.find((input) => input.value === value)?.focus({ preventScroll: true });
  }

  #free(quantizations) {
    return quantizations.map((variant) => bytes(this.app, freeBytes(this.app, variant)));
  }

  #variants(model, reference, isHere) {
    const { app } = this;
    const { adapter } = parts(reference);
    const current = variantOf(model, reference);
    const option = (variant) =>
      this.#radio(
        {
          name: "variant",
          value: join(variant, adapter),
          checked: isHere && variant.id === current.id,
          disabled: isTooLarge(variant) || !isHere,
          title: this.#memoryParts(variant),
        },
        h("span.p-choice-name", {}, variantName(app, model, variant)),
        h("span.p-choice-about", {}, variant.memory_bytes ? bytes(app, variant.memory_bytes) : ""),
        h("span.p-choice-about", { dataset: { look: isTooLarge(variant) ? "bad" : "" } }, this.#fit(variant)),
      );
    return choiceGroup(app.t("picker.variants"), "p-segments", model.quantizations.map(option));
  }

  #fit(variant) {
    const { app } = this;
    if (variant.fits === null) return "";
    if (isTooLarge(variant))
      return app.t("picker.variant_too_large", { available: bytes(app, freeBytes(app, variant)) });
    return app.t(variant.state === "loaded" ? "picker.variant_loaded" : "picker.variant_fits");
  }

  #memoryParts({ weights_bytes, cache_bytes }) {
    const { app } = this;
    if (!weights_bytes) return null;
    return app.t("picker.variant_parts", { weights: bytes(app, weights_bytes), cache: bytes(app, cache_bytes) });
  }

  #adapters(model, reference) {
    const { app } = this;
    const variant = variantOf(model, reference);
    const { adapter } = parts(reference);
    const option = ({ name, title, usable, detail }) =>
      this.#radio(
        { name: "adapter", value: join(variant, name), checked: name === adapter, disabled: !usable, title: detail },
        h("span.p-choice-name", {}, title),
      );
    const none = this.#radio(
      { name: "adapter", value: join(variant), checked: !adapter },
      h("span.p-choice-name", {}, app.t("picker.no_adapter")),
    );
    const broken = model.adapters.filter((one) => !one.usable);
    const problem = ({ detail }) => h("p.p-choice-broken", {}, icon("warning"), h("span", {}, detail));
    const group = choiceGroup(app.t("picker.adapters"), "p-chips", [none, ...model.adapters.map(option)]);
    return h("div", {}, group, ...broken.map(problem));
  }

  #radio({ name, value, ...spec }, ...content) {
    return choice({ name: `parley-${name}`, value, onchange: () => this.choose(value), ...spec }, ...content);
  }
}

/**
 * @param {Object} app
 * @param {Object} model
 * @param {{name: string, default: boolean}} variant
 * @returns {string} e.g. "nf4"; for weights loaded as stored, their number format
 */
function variantName(app, model, variant) {
  if (variant.name !== "none") return variant.name;
  const stored = model.quantizations.find((other) => other.default) === variant ? model.quantization : "";
  return stored || app.t("picker.variant_stored");
}
