/** The form that downloads a model from a hub by name. */
import { bytes } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { hubName } from "./hub_name.js";

/** Shown in place of the model panel; keeps the typed name until its download has started. */
export class HubForm {
  /**
   * @param {Object} app
   * @param {(id: string) => void} onStarted gets the id of the model being downloaded
   */
  constructor(app, onStarted) {
    this.app = app;
    this.onStarted = onStarted;
    this.busy = false;
    this.label = h("label", { for: "parley-hub-name" });
    const field = {
      id: "parley-hub-name",
      type: "text",
      maxlength: "400",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
    };
    this.field = h("input.p-field", { ...field, "aria-describedby": "parley-hub-status" });
    this.button = h("button.p-button.p-primary", { type: "submit" });
    this.hint = h("p.p-muted");
    this.status = h("div", { id: "parley-hub-status", "aria-live": "polite" });
    const form = h(
      "form.p-by-name-row",
      { novalidate: true, onsubmit: (event) => this.#submit(event) },
      this.field,
      this.button,
    );
    this.element = h("div.p-by-name", { hidden: true }, this.label, form, this.status, this.hint);
  }

  /** Show it, with its texts in the current language. */
  show() {
    const { app } = this;
    this.label.textContent = app.t("picker.by_name_label");
    this.hint.textContent = app.t("picker.by_name_hint");
    this.field.placeholder = app.t("picker.by_name_placeholder");
    this.#drawButton();
    this.element.hidden = false;
  }

  hide() {
    this.element.hidden = true;
  }

  focus() {
    this.field.focus({ preventScroll: true });
  }

  #drawButton() {
    this.button.replaceChildren(
      icon("download"),
      this.app.t(this.busy ? "picker.by_name_asking" : "picker.fetch_unknown"),
    );
    this.button.disabled = this.busy;
    this.field.readOnly = this.busy;
  }

  #submit(event) {
    event.preventDefault();
    void this.#fetch(hubName(this.field.value));
  }

  async #fetch(name) {
    if (this.busy) return;
    if (!name) return this.focus();
    this.#setBusy(true);
    this.status.replaceChildren();
    this.hint.hidden = false;
    try {
      const { id } = await this.app.api.post("/api/models/pull", { source: `hub:${name}` });
      await this.app.refreshModels();
      this.field.value = "";
      this.onStarted(id);
    } catch (error) {
      this.#showError(error);
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.busy = busy;
    this.#drawButton();
  }

  #showError(error) {
    const { files, repo } = error.details ?? {};
    const choices = (files ?? []).map((file) => this.#choice(repo, file));
    const text = this.app.errorText(error);
    const message = choices.length > 0 ? h("p.p-muted", {}, text) : h("p.p-error", { role: "alert" }, text);
    this.hint.hidden = choices.length > 0;
    this.status.replaceChildren(
      message,
      ...(choices.length > 0 ? [h("div.p-by-name-files", { role: "group", "aria-label": text }, ...choices)] : []),
    );
    (this.status.querySelector("button") ?? this.field).focus({ preventScroll: true });
  }

  #choice(repo, { path, size_bytes }) {
    const act = () => {
      this.field.value = `${repo}:${path}`;
      void this.#fetch(this.field.value);
    };
    return h(
      "button.p-by-name-file",
      { type: "button", onclick: act },
      h("span", {}, path),
      h("span.p-muted", {}, bytes(this.app, size_bytes)),
    );
  }
}
