/** The search field of the model list. */
import { h } from "../page/dom.js";
import { languageNames } from "./model_state.js";

const SHOWN_ABOVE = 8; // models that can be looked through without it

/** Its keys move in the list, too; the focus stays here. */
export class ModelSearch {
  /**
   * @param {Object} app
   * @param {{changed: () => void, key: (event: KeyboardEvent) => void}} on `key` gets the keys for the list
   */
  constructor(app, on) {
    this.app = app;
    this.on = on;
    const attrs = { type: "search", autocomplete: "off", spellcheck: "false", dir: "auto" };
    this.field = h("input.p-field.p-model-search", { ...attrs, "aria-controls": "parley-models" });
    this.field.addEventListener("input", () => on.changed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Empty it, and show it if there are many models. */
  begin() {
    this.field.value = "";
    this.draw();
  }

  draw() {
    const { app, field } = this;
    field.hidden = app.state.models.length <= SHOWN_ABOVE;
    field.placeholder = app.t("picker.search");
    field.setAttribute("aria-label", app.t("picker.search"));
  }

  /** What is searched for; empty while the field is hidden. */
  get query() {
    return this.field.hidden ? "" : this.field.value.trim();
  }

  /** @returns {Object[]} the models that contain all words of the query */
  found(models) {
    const words = this.query.toLowerCase().split(/\s+/);
    return models.filter((model) => {
      const text = searchable(this.app, model);
      return words.every((word) => text.includes(word));
    });
  }

  /** A character typed in the list is one to search for. */
  take(event) {
    const types = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (types && !this.field.hidden) this.field.focus({ preventScroll: true }); // it receives the character
  }

  #key(event) {
    if (event.key === "Escape" && this.field.value) {
      event.preventDefault();
      event.stopPropagation();
      this.field.value = "";
      this.on.changed();
    } else if (["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) this.on.key(event);
  }
}

function searchable(app, model) {
  const parts = [model.title, model.id, model.parameters, languageNames(app, model.languages), model.licence];
  return parts.filter(Boolean).join(" ").toLowerCase();
}
