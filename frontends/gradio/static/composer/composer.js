/** The composer: the message box with the model picker, the settings button and Send or Stop. Keeps unsent text. */
import { followed, letter } from "../comparison/judgement.js";
import { isReady } from "../models/chosen_model.js";
import { modelName } from "../models/model_name.js";
import { h } from "../page/dom.js";
import { whenLeaving } from "../page/leaving.js";
import { settingsSummary } from "../settings/summary.js";
import { nameButton, textButton } from "../widgets/buttons.js";
import { enterSends, isSendKey } from "../widgets/enter_key.js";
import { icon } from "../widgets/icons.js";
import { grow, trimmed } from "../widgets/text_area.js";
import { keepDraft, keepTyped, readDraft, storeTyped } from "./drafts.js";
import { missingModelNotice } from "./missing_model.js";

const DRAWN_AFTER = ["language", "models", "model", "conversation", "conversation-updated", "draft", "enter-key"];
const STOP_BECAME_SEND_MS = 400; // for so long a press may still be meant to stop the reply
const MODEL_ERRORS = /^(model_|damaged|not_enough|worker_failed)/; // error codes that another model may not give

/** The form and the error line above it. */
export class Composer {
  /**
   * @param {Object} app
   * @param {{send: (text: string) => Promise<void>, stop: () => void, settings: (button: HTMLElement) => void}} on
   * @param {{element: HTMLElement, toggle: HTMLElement}} compare what the next question compares, and its button
   */
  constructor(app, on, compare) {
    this.app = app;
    this.on = on;
    this.followed = null; // the letter of the reply that a message would follow, while replies wait for a choice
    this.running = false;
    this.endedAt = -Infinity; // when the last reply ended
    this.area = h("textarea.p-input.p-grows", { rows: "1", id: "parley-input", dir: "auto" });
    this.error = h("div.p-alert", { role: "alert", hidden: true });
    this.missing = missingModelNotice(app, () => this.openPicker());
    this.shownError = null; // {say, error}; `say` is a function, so that the line can be translated again
    this.picker = h("div.p-picker-mount");
    const settings = () => on.settings(this.settings);
    const button = { type: "button", "aria-haspopup": "dialog", dataset: { act: "settings" }, onclick: settings };
    this.settings = h("button.p-chip-button", button);
    this.button = h("button.p-send", { type: "submit" });
    this.hint = h("p.p-hint");
    this.form = h(
      "form.p-composer",
      {},
      this.area,
      h("div.p-composer-foot", {}, this.picker, this.settings, compare.toggle, h("span.p-spring"), this.button),
    );
    this.element = h("div.p-composer-frame", {}, this.missing, this.error, compare.element, this.form, this.hint);
    this.#listen();
    this.draw();
    this.load();
  }

  #listen() {
    const { app } = this;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) this.on.stop();
      else if (performance.now() - this.endedAt > STOP_BECAME_SEND_MS) void this.submit();
    });
    this.form.addEventListener("click", (event) => event.target === this.form && this.area.focus());
    this.area.addEventListener("keydown", (event) => {
      if (!isSendKey(event)) return;
      event.preventDefault();
      if (!this.running) void this.submit();
      else if (this.area.value.trim()) this.tell(() => app.t("composer.wait"));
    });
    this.area.addEventListener("input", () => this.#typed());
    this.area.addEventListener("paste", (event) => {
      if (hasOnlyFiles(event.clipboardData)) this.tell(() => app.t("composer.only_text"));
    });
    whenLeaving(storeTyped);
    for (const event of DRAWN_AFTER) app.on(event, () => this.draw());
    for (const event of ["models", "model"]) app.on(event, () => this.#modelChanged());
    app.on("created", ({ id }) => (this.created = id));
    app.on("running", (message) => this.#setRunning(message !== null));
    app.on("comparison", (comparison) => this.#compared(comparison));
  }

  // A usable model may resolve the error.
  #modelChanged() {
    if (this.shownError && MODEL_ERRORS.test(this.shownError.error?.code) && isReady(this.app.model())) this.tell(null);
  }

  #typed() {
    this.endedAt = -Infinity; // who types has seen that the reply has ended
    keepTyped(this.app.state.conversationId, this.area.value);
    if (this.shownError) this.tell(null);
    this.#fit();
    void this.app.warmModel();
  }

  #fit() {
    grow(this.area);
    this.button.toggleAttribute("data-empty", !this.area.value.trim());
  }

  #setRunning(running) {
    if (running === this.running) return;
    this.running = running;
    if (!running) {
      this.tell(null);
      this.endedAt = performance.now();
    }
    this.draw();
  }

  // Told in place of the usual hint, so that nothing moves.
  #compared(comparison) {
    const next = comparison?.ranking?.open ? letter(followed(comparison.messages)) : null;
    if (next === this.followed) return;
    this.followed = next;
    this.draw();
  }

  /** Draw texts and buttons in the current language. */
  draw() {
    const { app } = this;
    const placeholder = app.model() ? "composer.placeholder" : "composer.placeholder_no_model";
    this.area.placeholder = app.t(placeholder, { model: modelName(app, app.reference()) });
    this.area.setAttribute("aria-label", app.t("composer.label"));
    this.area.enterKeyHint = enterSends() ? "send" : "enter";
    const label = app.t(this.running ? "composer.stop" : "composer.send");
    nameButton(this.button, label, this.running ? "stop" : "arrow_up");
    this.button.toggleAttribute("data-running", this.running);
    this.button.dataset.act = this.running ? "stop" : "send";
    this.hint.textContent = this.followed && !this.running ? app.t("compare.next_follows", { letter: this.followed }) : app.t("composer.hint");
    this.#drawSettings();
    this.#drawError();
    this.#fit();
  }

  #drawSettings() {
    const set = settingsSummary(this.app);
    const text = set.length ? set.join(" · ") : this.app.t("settings.none");
    this.settings.replaceChildren(icon("sliders"), h("span", {}, text));
    this.settings.toggleAttribute("data-set", set.length > 0);
    this.settings.title = `${this.app.t("settings.title")}: ${text}`;
    this.settings.setAttribute("aria-label", this.settings.title);
  }

  /** Show the draft of the open conversation. */
  load() {
    this.area.value = readDraft(this.app.state.conversationId);
    this.tell(null);
    this.#fit();
  }

  /**
   * Send the text in the box, or `text`.
   * @param {string} [text]
   */
  async submit(text = this.area.value) {
    const { app } = this;
    if (!text.trim() || this.running) return;
    if (app.missingModel()) return this.missing.querySelector("button").focus(); // it asks; the text stays
    const from = app.state.conversationId;
    this.created = null; // the chat that this question begins
    this.area.value = "";
    this.#fit();
    this.tell(null);
    try {
      await this.on.send(trimmed(text));
      keepDraft(from, "");
      if (app.state.conversationId !== from) keepDraft(app.state.conversationId, this.area.value);
    } catch (error) {
      if ([from, this.created].includes(app.state.conversationId)) this.#restore(text, error);
      else this.#restoreElsewhere(from, text, error);
    }
  }

  // Another chat was opened meanwhile: the text belongs to the one in which it was written.
  #restoreElsewhere(from, text, error) {
    const draft = readDraft(from).trim();
    keepDraft(from, draft && draft !== text.trim() ? `${text}\n${draft}` : text);
    this.app.toast(this.app.t("composer.kept_elsewhere", { error: this.app.errorText(error) }));
  }

  #restore(text, error) {
    const typed = this.area.value.trim();
    this.area.value = typed && typed !== text.trim() ? `${text}\n${typed}` : text;
    keepDraft(this.app.state.conversationId, this.area.value);
    this.#fit();
    this.tell(() => this.app.t("composer.kept", { error: this.app.errorText(error) }), error);
    this.area.focus();
  }

  /**
   * Show an error above the box, or hide it (null).
   * @param {(() => string)|null} say
   * @param {Object} [error] for errors of a model, a button that opens the model list is added
   */
  tell(say, error) {
    this.shownError = say && { say, error };
    this.#drawError();
  }

  #drawError() {
    this.error.hidden = !this.shownError;
    if (!this.shownError) return;
    const { say, error } = this.shownError;
    this.error.replaceChildren(icon("warning"), h("span", {}, say()));
    if (!MODEL_ERRORS.test(error?.code)) return;
    this.error.append(textButton(this.app.t("welcome.see_models"), () => this.openPicker(), "p-small"));
  }

  /** Open the model list. */
  openPicker() {
    this.picker.querySelector("button")?.click();
  }

  focus() {
    this.area.focus({ preventScroll: true });
  }
}

/** @returns {boolean} whether what is pasted has no text: an image, or other files */
function hasOnlyFiles(data) {
  const types = [...(data?.types ?? [])];
  return types.includes("Files") && !types.some((type) => type.startsWith("text/"));
}
