/** The settings panel: instructions and sampling of the open conversation, or of the next new one. */
import { isRefusal } from "../page/api.js";
import { h } from "../page/dom.js";
import { iconButton, nameButton } from "../widgets/buttons.js";
import { choice, choiceGroup } from "../widgets/choices.js";
import { icon } from "../widgets/icons.js";
import { enterSetting } from "./enter_setting.js";
import { NumberSetting } from "./number_setting.js";
import {
  ADVANCED_FIELDS,
  BASIC_FIELDS,
  PRESETS,
  readSeed,
  readStop,
  readSystemPrompt,
  readThinkingTokens,
  thinkingFor,
} from "./sampling.js";
import { SettingsState } from "./settings_state.js";
import { TextSetting } from "./text_setting.js";
import { ThinkingSetting } from "./thinking_setting.js";
import { trainingSetting } from "./training_setting.js";

const STATUS_TEXTS = { saved: "settings.saved", kept: "settings.kept" };

/**
 * @param {HTMLElement} root
 * @param {Object} app gets `settingsSaved`
 * @param {() => void} close
 */
export function mountSettings(root, app, close) {
  const panel = new SettingsPanel(app, close);
  root.setAttribute("role", "complementary");
  root.setAttribute("aria-labelledby", panel.title.id);
  root.append(panel.element);
  app.settingsSaved = () => panel.state.settled();
}

class SettingsPanel {
  constructor(app, close) {
    this.app = app;
    this.status = null; // see SettingsState
    this.#build(close);
    this.state = new SettingsState({
      save: (id, changes) => app.api.patch(`/api/conversations/${id}`, changes),
      keep: (settings) => {
        Object.assign(app.state.draft, settings);
        app.emit("draft");
      },
      changed: () => this.#draw(),
      status: (status) => this.#showStatus(status),
    });
    this.#listen();
    this.#setTexts();
    this.#opened();
  }

  // --- building -----------------------------------------------------------------------------------

  #build(close) {
    this.title = h("h2", { id: "parley-settings-title" });
    this.closeButton = iconButton("close", "", close);
    this.numbers = Object.fromEntries(
      [...BASIC_FIELDS, ...ADVANCED_FIELDS].map((field) => [field.name, this.#number(field)]),
    );
    this.texts = this.#buildTexts();
    this.thinking = new ThinkingSetting(this.app, {
      choose: (wanted) => this.#commit("thinking", { value: thinkingFor(this.state.defaults, wanted) }),
      limit: (text) => this.#commit("thinking_tokens", readThinkingTokens(text)),
    });
    this.presets = h("div.p-setting", { id: "parley-preset" });
    this.advanced = h("summary", {});
    this.reset = h("button.p-button", { type: "button", id: "parley-reset", onclick: () => this.#reset() });
    this.statusLine = h("p.p-settings-status", { role: "status" });
    const elements = (fields) => fields.map(({ name }) => this.numbers[name].element);
    const { system_prompt, seed, stop } = this.texts;
    const advanced = h("div.p-settings-form", {}, ...elements(ADVANCED_FIELDS), seed.element, stop.element);
    this.form = h(
      "div.p-settings-form",
      {},
      system_prompt.element,
      this.presets,
      ...elements(BASIC_FIELDS),
      this.thinking.element,
      h("details.p-advanced", { id: "parley-advanced" }, this.advanced, advanced),
      this.reset,
      this.statusLine,
      trainingSetting(this.app),
    );
    this.element = h("div.p-settings", {}, h("div.p-settings-head", {}, this.title, this.closeButton), this.form);
    this.element.append(enterSetting(this.app));
  }

  #number(field) {
    return new NumberSetting(this.app, field, {
      edit: (value) => this.state.editSampling({ [field.name]: value }),
      commit: () => this.state.commit(),
    });
  }

  #buildTexts() {
    const { app } = this;
    const box = (tag, attrs) => h(`${tag}.p-field`, { dir: "auto", autocomplete: "off", ...attrs });
    return {
      system_prompt: new TextSetting(
        app,
        { name: "system_prompt", box: box("textarea", { rows: "4" }), placeholder: true },
        { typed: (text) => this.#typedSystemPrompt(text), commit: (text) => this.#commitSystemPrompt(text) },
      ),
      seed: new TextSetting(
        app,
        { name: "seed", box: box("input", { type: "text", inputmode: "numeric" }), placeholder: true },
        { commit: (text) => this.#commit("seed", readSeed(text)) },
      ),
      stop: new TextSetting(
        app,
        { name: "stop", box: box("textarea", { rows: "2", spellcheck: "false" }) },
        { commit: (text) => this.#commit("stop", readStop(text)) },
      ),
    };
  }

  #typedSystemPrompt(text) {
    if (readSystemPrompt(text).problem) this.state.discardSystemPrompt();
    else this.state.editSystemPrompt(text);
  }

  #commitSystemPrompt(text) {
    this.state.commit();
    return readSystemPrompt(text).problem ?? null;
  }

  #commit(name, { value, problem }) {
    if (problem) return problem;
    this.state.editSampling({ [name]: value });
    this.state.commit();
    return null;
  }

  #reset() {
    this.state.reset();
    this.#clearTexts();
  }

  #clearTexts() {
    for (const text of [...Object.values(this.texts), this.thinking.limit]) text.clear();
  }

  // --- events of the page -------------------------------------------------------------------------

  #listen() {
    const { app } = this;
    app.on("language", () => this.#setTexts());
    app.on("created", ({ id, ...settings }) => this.state.created(id, settings));
    app.on("connection", (up) => up && this.state.retry());
    app.on("conversation", () => this.#opened());
    app.on("conversation-updated", () => this.#opened());
    for (const event of ["models", "model"]) app.on(event, () => this.#setDefaults());
  }

  #opened() {
    const { app, state } = this;
    const id = app.state.conversationId;
    const settings = app.settings();
    this.form.inert = id !== null && !app.state.conversation; // until its settings are loaded
    if (this.form.inert) return;
    this.#setDefaults();
    if (id !== null && id === state.id) return state.receive(settings);
    state.open(id, settings);
    this.#clearTexts();
  }

  #setDefaults() {
    const { app } = this;
    this.thinking.setModel(app.model()?.thinking);
    this.state.setDefaults(app.model()?.default_sampling ?? app.state.info?.default_sampling ?? {});
  }

  // --- drawing ------------------------------------------------------------------------------------

  #setTexts() {
    const { app } = this;
    this.title.textContent = app.t("settings.title");
    nameButton(this.closeButton, app.t("app.close"));
    this.advanced.replaceChildren(app.t("settings.advanced"), icon("chevron_down"));
    this.reset.textContent = app.t("settings.reset");
    const settings = [...Object.values(this.texts), ...Object.values(this.numbers), this.thinking];
    for (const setting of settings) setting.setTexts();
    const option = (name) => {
      const onchange = () => this.state.applyPreset(name);
      return choice({ name: "parley-preset", value: name, onchange }, app.t(`settings.preset_${name}`));
    };
    this.presets.replaceChildren(
      choiceGroup(app.t("settings.preset_label"), "p-segments", Object.keys(PRESETS).map(option)),
    );
    this.#showStatus(this.status);
    this.#draw();
  }

  #draw() {
    const { values, preset, settings } = this.state;
    this.texts.system_prompt.show(settings.system_prompt);
    this.texts.seed.show(values.seed === null ? "" : String(values.seed));
    this.texts.stop.show(values.stop.join("\n"));
    this.thinking.show(values);
    for (const [name, setting] of Object.entries(this.numbers)) setting.show(values[name]);
    for (const input of this.presets.querySelectorAll("input")) input.checked = input.value === preset;
  }

  #showStatus(status) {
    this.status = status;
    this.statusLine.toggleAttribute("data-failed", status instanceof Error);
    this.statusLine.textContent = this.#statusText(status);
  }

  #statusText(status) {
    const { app } = this;
    if (!status) return "";
    if (!(status instanceof Error)) return app.t(STATUS_TEXTS[status]);
    if (status.code === "unreachable") return app.t("settings.unreachable");
    return app.t(isRefusal(status) ? "settings.refused" : "settings.not_saved", { message: app.errorText(status) });
  }
}
