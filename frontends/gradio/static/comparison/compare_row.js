/** What the next question compares: a button in the composer, and while that is pressed a row above the box. */
import { mountPicker } from "../models/picker.js";
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { setupSummary } from "./contender_names.js";
import { MODES, SAMPLES, SETTINGS } from "./contenders.js";

const DRAWN_AFTER = ["language", "models", "model", "conversation", "conversation-updated", "draft", "compare"];

/** Shows the CompareSetup and changes it. */
export class CompareRow {
  /**
   * @param {Object} app
   * @param {import("./compare_setup.js").CompareSetup} setup
   */
  constructor(app, setup) {
    Object.assign(this, { app, setup });
    const toggle = { type: "button", dataset: { act: "compare_next" }, onclick: () => this.#switch() };
    this.label = h("span");
    this.toggle = h("button.p-chip-button.p-compare-toggle", toggle, icon("columns"), this.label);
    this.mode = h("select.p-select.p-compare-mode", { onchange: () => setup.change({ mode: this.mode.value }) });
    this.picker = h("div.p-picker-mount");
    this.settings = h("select.p-select", { onchange: () => setup.change({ settings: this.settings.value }) });
    this.samples = h("select.p-select", { onchange: () => setup.change({ samples: Number(this.samples.value) }) });
    this.blindBox = h("input.p-check", { type: "checkbox", onchange: () => setup.change({ blind: this.blindBox.checked }) });
    this.blindText = h("span");
    this.blind = h("label.p-compare-blind", {}, this.blindBox, this.blindText);
    this.warning = h("p.p-compare-warning", { role: "status" });
    const controls = h("div.p-compare-controls", {}, this.mode, this.settings, this.samples, this.blind);
    this.element = h("div.p-compare", { role: "group" }, controls, this.warning);
    mountPicker(this.picker, app, {
      reference: () => setup.second(),
      choose: (reference) => setup.change({ second: reference }),
      label: () => app.t("compare.second_model"),
      changed: "compare",
    });
    for (const event of DRAWN_AFTER) app.on(event, () => this.draw());
    this.drawnIn = null; // the language of the choices
    this.draw();
  }

  // Where there is no second model yet, it begins with what works.
  #switch() {
    const { setup } = this;
    const isAlone = this.app.state.modelsKnown && !setup.second();
    const mode = !setup.isOn && isAlone && setup.setup.mode === "models" ? "settings" : setup.setup.mode;
    setup.change({ on: !setup.isOn, mode });
  }

  /** Draw everything as it is chosen. */
  draw() {
    const { app, setup } = this;
    const { on, mode, blind } = setup.setup;
    if (this.drawnIn !== app.state.language) this.#drawChoices();
    this.element.hidden = !on;
    this.element.setAttribute("aria-label", app.t("compare.title"));
    this.mode.value = mode;
    if (!on || mode !== "models") this.picker.remove();
    else if (!this.picker.isConnected) this.mode.after(this.picker);
    this.settings.hidden = mode !== "settings";
    this.samples.hidden = mode !== "samples";
    this.blind.hidden = mode === "samples"; // there is nothing to hide
    this.settings.value = setup.setup.settings;
    this.samples.value = String(setup.setup.samples);
    this.blindBox.checked = blind;
    const summary = setupSummary(app, { ...setup.setup, second: setup.second() });
    this.label.textContent = on ? summary : app.t("compare.toggle");
    this.toggle.setAttribute("aria-pressed", String(on));
    this.toggle.toggleAttribute("data-set", on);
    this.toggle.title = app.t("compare.toggle_hint");
    this.toggle.setAttribute("aria-label", on ? `${app.t("compare.toggle")}: ${summary}` : app.t("compare.toggle"));
    this.#warn(on);
  }

  #drawChoices() {
    const { app } = this;
    this.drawnIn = app.state.language;
    const option = (value, text) => h("option", { value }, text);
    this.mode.replaceChildren(...MODES.map((mode) => option(mode, app.t(`compare.mode_${mode}`))));
    const settings = Object.keys(SETTINGS).map((name) => option(name, app.t(`compare.settings_${name}`)));
    this.settings.replaceChildren(...settings);
    this.samples.replaceChildren(...SAMPLES.map((count) => option(count, app.t("compare.count_samples", { count }))));
    this.mode.setAttribute("aria-label", app.t("compare.what"));
    this.settings.setAttribute("aria-label", app.t("compare.second_settings"));
    this.samples.setAttribute("aria-label", app.t("compare.how_many"));
    this.blindText.textContent = app.t("compare.blind");
    this.blind.title = app.t("compare.blind_hint");
  }

  // Where the list of models is not known yet, nothing is wrong.
  #warn(on) {
    const { app, setup } = this;
    const { mode } = setup.setup;
    const isAlone = mode === "models" && !setup.second() && app.state.modelsKnown;
    const key = isAlone ? "compare.no_second" : setup.isPointless ? `compare.same_${mode}` : null;
    this.warning.textContent = on && key ? app.t(key) : "";
  }

  /** Compare two models from now on, and open the list to choose the second one. */
  chooseSecond() {
    this.setup.change({ on: true, mode: "models" });
    this.picker.querySelector("button").click();
  }
}
