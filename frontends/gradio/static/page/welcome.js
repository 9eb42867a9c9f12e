/** The welcome screen: four example questions, and the offer to download a model when there is none. */
import { hasLogin, isAdmin } from "../account/who.js";
import { bytes } from "../i18n/format.js";
import { grouped } from "../models/model_groups.js";
import { isUsable, percent, share } from "../models/model_state.js";
import { bestReference } from "../models/reference.js";
import { textButton } from "../widgets/buttons.js";
import { icon } from "../widgets/icons.js";
import { h } from "./dom.js";

const EXAMPLES = [1, 2, 3, 4];

/** Two parts, above and below the composer. */
export class Welcome {
  /**
   * @param {Object} app
   * @param {{ask: (text: string) => void, openPicker: () => void}} on
   */
  constructor(app, on) {
    this.app = app;
    this.on = on;
    this.hero = h("div.p-hero");
    this.below = h("div.p-below");
    for (const event of ["language", "models", "model", "screen"]) app.on(event, () => this.draw());
    this.draw();
  }

  /** Draw both parts in the current language. */
  draw() {
    const { app } = this;
    const model = app.model();
    const [named, unnamed] = hasLogin(app)
      ? ["welcome.line_account", "welcome.line_no_model_account"]
      : ["welcome.line", "welcome.line_no_model"];
    const line = model ? app.t(named, { model: model.title }) : app.t(unnamed);
    this.hero.replaceChildren(h("h1", {}, app.t("welcome.title")), h("p.p-lead", {}, line));
    this.below.replaceChildren(...[this.#notice(model), model && this.#examples()].filter(Boolean));
  }

  #examples() {
    const { app } = this;
    const card = (n) => {
      const text = app.t(`welcome.example_${n}`);
      const hint = h("span.p-example-hint", {}, app.t(`welcome.example_${n}_hint`));
      return h("button.p-example", { type: "button", onclick: () => this.on.ask(text) }, hint, h("span", {}, text));
    };
    return h("div.p-examples", { role: "group", "aria-label": app.t("welcome.examples") }, ...EXAMPLES.map(card));
  }

  #notice(model) {
    const { app } = this;
    if (!app.state.modelsKnown) return null;
    if (!model) return this.#missing();
    if (speaks(model, app.state.language)) return null;
    return this.#otherLanguage(model);
  }

  // The model's name, and in one click one that speaks the reader's language.
  #otherLanguage(model) {
    const { app } = this;
    const { models, language } = app.state;
    const see = h("button.p-link", { type: "button", onclick: this.on.openPicker }, app.t("welcome.see_models"));
    const text = h("span", {}, app.t("welcome.other_language", { model: model.title }), " ", see);
    const here = models.filter((one) => isUsable(one) && one.languages.includes(language));
    const ready = here.find((one) => one.recommended) ?? here[0];
    const offer = ready ? null : this.#offer((one) => one.languages.includes(language));
    const act = ready ? this.#use(ready) : offer && this.#download(offer);
    if (!act) return h("p.p-notice", {}, icon("info"), text);
    return h("div.p-notice.p-notice-tall", {}, text, act);
  }

  #use(model) {
    const { app } = this;
    const act = () => void app.chooseModel(bestReference(model));
    return textButton(app.t("picker.use_named", { model: model.title }), act, "p-primary");
  }

  #missing() {
    const { app } = this;
    const model = this.#offer();
    if (!model) return h("div.p-notice", {}, icon("info"), h("span", {}, app.t("welcome.no_model_other")));
    return h("div.p-notice.p-notice-tall", {}, h("span", {}, app.t("welcome.no_model")), this.#download(model));
  }

  /** The model being downloaded, or the most suitable one for this language and this computer. */
  #offer(suits = () => true) {
    const { models, language } = this.app.state;
    const candidates = grouped(models, language)
      .flatMap((group) => group.models)
      .filter(suits);
    return (
      candidates.find((model) => model.state === "fetching") ??
      candidates.find((model) => model.fetchable && model.size_bytes && !isUsable(model))
    );
  }

  #download(model) {
    if (!isAdmin(this.app)) return h("span", {}, this.app.t("picker.ask_administrator"));
    return model.state === "fetching" ? this.#progress(model) : this.#fetch(model);
  }

  #fetch(model) {
    const { app } = this;
    const label = app.t("welcome.fetch", { model: model.title, size: bytes(app, model.size_bytes) });
    const problem = model.error && app.errorText({ ...model.error, details: { ...model.error.details, model_id: model.id } });
    const failed = problem && h("p.p-error", { role: "alert" }, problem);
    const act = async () => {
      try {
        await app.api.post(`/api/models/${model.id}/pull`);
      } catch (error) {
        app.toast(app.errorText(error));
      }
      await app.refreshModels();
    };
    return h("div", {}, failed, textButton(label, act, "p-primary", "download"));
  }

  #progress(model) {
    const { app } = this;
    const text = app.t("welcome.fetching", { model: model.title, percent: percent(app, model) });
    const bar = h("progress.p-fetch-bar", { max: "1", value: String(share(model)), "aria-label": text });
    return h("div.p-fetching", {}, bar, h("span.p-muted", {}, text));
  }
}

function speaks(model, language) {
  return model.languages.length === 0 || model.languages.includes(language);
}
