/** What can be chosen behind a model's id: how it is loaded, and which adapter is laid over it. */
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { bytes } from "../i18n/language.js";
import { join, parts, wayOf } from "./reference.js";

/** Two rows of radio buttons in the picker's panel. Drawn again only when something changed, and keeps the focus. */
export class ModelChoices {
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
   * @param {string} reference what is chosen now
   */
  show(model, reference) {
    const { quantizations = [], adapters = [] } = model;
    const here = model.state !== "fetching" && model.state !== "not_fetched" && model.state !== "damaged";
    const told = here || model.state === "not_fetched"; // of one that is not here, what it will need is told
    const look = JSON.stringify([model.id, reference, here, quantizations, adapters, this.app.state.language, this.#free()]);
    if (look === this.drawn) return;
    this.drawn = look;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.value : null;
    const groups = [told && quantizations.length > 1 && this.#ways(model, reference, here), here && adapters.length > 0 && this.#adapters(model, reference)];
    this.element.replaceChildren(...groups.filter(Boolean));
    this.element.hidden = !groups.some(Boolean);
    if (focused !== null) [...this.element.querySelectorAll("input")].find((input) => input.value === focused)?.focus({ preventScroll: true });
  }

  #free() {
    return bytes(this.app, this.app.state.memory?.available_bytes ?? 0);
  }

  #ways(model, reference, here) {
    const { app } = this;
    const { adapter } = parts(reference);
    const current = wayOf(model, reference);
    const option = (way) => {
      const tooLarge = way.fits === false && way.state !== "loaded" && way.state !== "loading";
      const fits = way.fits === null ? "" : app.t(tooLarge ? "picker.way_too_large" : way.state === "loaded" ? "picker.way_loaded" : "picker.way_fits", { available: this.#free() });
      const content = [
        h("span.p-choice-name", {}, wayName(app, model, way)),
        h("span.p-choice-about", {}, way.memory_bytes ? bytes(app, way.memory_bytes) : ""),
        h("span.p-choice-about", { dataset: { look: tooLarge ? "bad" : "" } }, fits),
      ];
      const shares = way.weights_bytes ? { weights: bytes(app, way.weights_bytes), cache: bytes(app, way.cache_bytes) } : null;
      return this.#radio("way", join(way, adapter), here && way.id === current.id, tooLarge || !here, content, shares && app.t("picker.way_parts", shares));
    };
    return this.#group("picker.ways", "p-segments", model.quantizations.map(option));
  }

  #adapters(model, reference) {
    const { app } = this;
    const way = wayOf(model, reference);
    const { adapter } = parts(reference);
    const none = this.#radio("adapter", join(way), !adapter, false, [h("span.p-choice-name", {}, app.t("picker.no_adapter"))]);
    const options = model.adapters.map((one) =>
      this.#radio("adapter", join(way, one.name), one.name === adapter, !one.usable, [h("span.p-choice-name", {}, one.title)], one.detail),
    );
    const broken = model.adapters.filter((one) => !one.usable);
    const told = broken.map((one) => h("p.p-choice-broken", {}, icon("warning"), h("span", {}, one.detail)));
    return h("div", {}, this.#group("picker.adapters", "p-chips", [none, ...options]), ...told);
  }

  #group(key, className, options) {
    const title = this.app.t(key);
    return h("fieldset.p-choice-group", {}, h("legend", {}, title), h(`div.${className}`, { role: "radiogroup", "aria-label": title }, ...options));
  }

  #radio(name, value, checked, disabled, content, title) {
    const input = h("input", { type: "radio", name: `parley-${name}`, value, disabled, onchange: () => this.choose(value) });
    input.checked = checked;
    return h("label.p-choice", { title }, input, h("span.p-choice-face", {}, ...content));
  }
}

/**
 * @param {Object} app
 * @param {Object} model
 * @param {{name: string, default: boolean}} way
 * @returns {string} e.g. "nf4"; of weights that are loaded as they are, their own type
 */
function wayName(app, model, way) {
  if (way.name !== "none") return way.name;
  const stored = model.quantizations.find((other) => other.default) === way ? model.quantization : "";
  return stored || app.t("picker.way_stored");
}
