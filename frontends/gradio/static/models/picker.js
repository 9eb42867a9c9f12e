/** The model picker: a button with the model's name and state, which opens the list of all models. */
import { isAdmin } from "../account/who.js";
import { h } from "../page/dom.js";
import { icon } from "../widgets/icons.js";
import { closePopover, showPopover } from "../widgets/popover.js";
import { HubForm } from "./hub_form.js";
import { grouped } from "./model_groups.js";
import { ModelPanel } from "./model_panel.js";
import { ModelSearch } from "./model_search.js";
import { isUsable, listedState, shortLanguageNames, stateLook, stateText } from "./model_state.js";
import { asLoaded, bestReference, findModel, fullName, hasChoices, parts } from "./reference.js";

const GAP = 6;
const LOWEST = 320; // px of height that the list needs
const TALLEST = 560;

/**
 * @typedef {Object} ModelChoice what a picker chooses
 * @property {() => string|null} reference
 * @property {(reference: string) => Promise<void>|void} choose
 * @property {() => string} label
 * @property {string} [changed] the event that tells of another choice
 */

/**
 * @param {HTMLElement} root
 * @param {Object} app
 * @param {ModelChoice} [choice] by default the model of the open chat
 */
export function mountPicker(root, app, choice = chatModel(app)) {
  root.append(new Picker(app, choice).element);
}

function chatModel(app) {
  return { reference: app.reference, choose: app.chooseModel, label: () => app.t("picker.label") };
}

class Picker {
  constructor(app, choice) {
    this.app = app;
    this.choice = choice;
    this.popover = null;
    this.shown = null; // the id of the model in the panel
    this.requested = new Set(); // ids of the models whose download was started here
    this.mark = h("span.p-mark");
    this.title = h("span.p-picker-title");
    this.state = h("span.p-picker-state");
    const button = {
      type: "button",
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      onclick: () => this.#toggle(),
    };
    this.element = h("button.p-picker", button, this.mark, this.title, this.state, icon("chevron_down"));
    this.list = h("div.p-models", { role: "listbox", tabindex: "0", id: "parley-models" });
    this.search = new ModelSearch(app, { changed: () => this.#searched(), key: (event) => this.#key(event) });
    this.nothing = h("p.p-muted.p-models-nothing", { role: "status" });
    this.another = h("button.p-another", { type: "button", onclick: () => this.#showForm() });
    this.scroller = h("div.p-models-scroll", {}, this.list, this.nothing, this.another);
    this.form = new HubForm(app, (id) => this.#started(id));
    this.naming = false; // whether the form is shown in place of the panel
    this.panel = new ModelPanel(app, {
      choose: (model) => void this.#choose(this.#referenceOf(model)),
      refine: (reference) => void this.#choose(reference, true),
      fetch: (model) => void this.#fetch(model),
      cancel: (model) => void this.#call(() => app.api.delete(`/api/models/${model.id}/pull`)),
      convert: (model) => void this.#convert(model),
    });
    this.list.addEventListener("keydown", (event) => this.#key(event));
    const events = ["models", "jobs", "memory", "model", "language", "conversation", "conversation-updated", choice.changed];
    for (const event of events.filter(Boolean)) app.on(event, () => this.draw());
    app.on("models", () => this.#announceFetched());
    this.draw();
  }

  get #isOpen() {
    return Boolean(this.popover?.element.isConnected);
  }

  /** The chosen model, with the state of its variant. */
  get #model() {
    const reference = this.choice.reference();
    const model = findModel(this.app.state.models, reference);
    return model ? asLoaded(model, reference) : null;
  }

  // --- drawing -----------------------------------------------------------------------------------

  /** Draw the button, and the list while it is open. */
  draw() {
    const { app } = this;
    const model = this.#model;
    const name = model ? fullName(model, this.choice.reference()) : app.t("picker.none");
    const state = model && stateLook(model) !== "good" ? stateText(app, model) : "";
    this.title.textContent = name;
    this.state.textContent = state;
    this.mark.dataset.look = model ? stateLook(model) : "absent";
    this.element.title = model ? `${name} · ${stateText(app, model)}` : this.choice.label();
    this.element.setAttribute("aria-label", `${this.choice.label()}: ${this.element.title}`);
    if (this.#isOpen) this.#drawList();
  }

  #drawList() {
    const { app } = this;
    this.search.draw();
    const groups = grouped(this.search.found(app.state.models), app.state.language);
    const models = groups.flatMap((group) => group.models);
    const current = this.#model?.id;
    this.list.setAttribute("aria-label", this.choice.label());
    this.nothing.textContent = models.length ? "" : app.t("picker.nothing_found", { query: this.search.query });
    this.another.hidden = !isAdmin(app);
    this.another.replaceChildren(icon("plus"), app.t("picker.by_name"));
    const top = this.scroller.scrollTop;
    this.list.replaceChildren(
      ...groups.map((group) => this.#group(group, current, groups.length > 1 || group.key === "picker.to_fetch")),
    );
    this.scroller.scrollTop = top;
    if (this.naming) return this.#show(null);
    const shown =
      models.find((model) => model.id === this.shown) ?? models.find((model) => model.id === current) ?? models[0];
    this.#show(shown?.id ?? null);
  }

  #group({ key, models }, current, named) {
    const title = this.app.t(key);
    const options = models.map((model) =>
      this.#option(asLoaded(model, this.#referenceOf(model)), model.id === current),
    );
    return h(
      "div",
      { role: "group", "aria-label": title },
      named && h("div.p-models-heading", { "aria-hidden": "true" }, title),
      ...options,
    );
  }

  #option(model, current) {
    const { app } = this;
    const about = [model.parameters, shortLanguageNames(app, model.languages)].filter(Boolean).join(" · ");
    const mark = model.recommended && h("span.p-model-recommended", {}, app.t("picker.recommended"));
    const option = h(
      "div.p-model",
      {
        role: "option",
        id: `parley-model-${model.id}`,
        "aria-selected": String(current),
        dataset: { model: model.id },
      },
      h("span.p-mark", { dataset: { look: stateLook(model) } }),
      h(
        "span.p-model-name",
        {},
        h("span.p-model-title", { title: model.title }, model.title),
        h("span.p-model-about", {}, about),
        mark,
      ),
      h("span.p-model-state", {}, listedState(app, model)),
      current ? icon("check") : h("span.p-svg"),
    );
    option.addEventListener("click", () => this.#clicked(model));
    return option;
  }

  /** The reference of `model`: the chosen one, or the best one if another model is in use. */
  #referenceOf(model) {
    const now = this.choice.reference();
    return parts(now).base === model.id ? now : bestReference(model);
  }

  #show(id) {
    this.shown = id;
    for (const option of this.#options) option.toggleAttribute("data-shown", option.dataset.model === id);
    for (const box of [this.list, this.search.field]) {
      if (id) box.setAttribute("aria-activedescendant", `parley-model-${id}`);
      else box.removeAttribute("aria-activedescendant");
    }
    const model = this.#find(id);
    const reference = model && this.#referenceOf(model);
    this.another.toggleAttribute("data-shown", this.naming);
    if (this.naming) this.form.show();
    else this.form.hide();
    this.panel.show(model && asLoaded(model, reference), model?.id === this.#model?.id, reference);
  }

  #showForm() {
    this.naming = true;
    this.#show(null);
    this.form.focus();
  }

  /** Show a model whose download by name has started like any other. */
  #started(id) {
    this.requested.add(id);
    this.naming = false;
    if (!this.#isOpen) return;
    this.#show(id);
    this.list.querySelector("[data-shown]")?.scrollIntoView({ block: "nearest" });
    this.panel.focus();
  }

  /** The options in the order shown. */
  get #options() {
    return [...this.list.querySelectorAll(".p-model")];
  }

  #find(id) {
    return this.app.state.models.find((model) => model.id === id);
  }

  // --- opening and closing -----------------------------------------------------------------------

  #toggle() {
    if (this.#isOpen) return closePopover();
    this.shown = null;
    this.naming = false;
    this.search.begin();
    this.#drawList();
    const { app } = this;
    this.popover = showPopover(this.element, {
      title: app.t("picker.title"),
      close: app.t("app.close"),
      content: [h("div.p-models-side", {}, this.search.field, this.scroller), this.panel.element, this.form.element],
      className: "p-picker-box",
    });
    this.#drawList();
    place(this.popover.element, this.element);
    this.list.focus({ preventScroll: true });
    this.list.querySelector("[data-shown]")?.scrollIntoView({ block: "nearest" });
    app.followModels(() => this.#isOpen);
  }

  // --- actions -----------------------------------------------------------------------------------

  #clicked(model) {
    this.naming = false;
    this.#show(model.id);
    if (isUsable(model)) this.#pick(model);
  }

  /** Choose it. The popover stays open if it has variants or adapters to choose, until it is picked again. */
  #pick(model) {
    const stays = hasChoices(model) && model.id !== this.#model?.id;
    void this.#choose(this.#referenceOf(model), stays);
  }

  #searched() {
    this.naming = false;
    this.shown = null;
    this.#drawList();
    this.scroller.scrollTop = 0;
  }

  #key(event) {
    const ids = this.#options.map((option) => option.dataset.model);
    const at = ids.indexOf(this.shown);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.naming = false;
      this.#show(ids[Math.min(Math.max(to, 0), ids.length - 1)] ?? null);
      this.list.querySelector("[data-shown]")?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const found = this.#find(this.shown);
      const model = found && asLoaded(found, this.#referenceOf(found));
      if (model && isUsable(model)) this.#pick(model);
      else this.panel.focus(); // downloading gigabytes needs a second key press
    } else if (event.currentTarget === this.list) this.search.take(event);
  }

  async #choose(reference, stays = false) {
    if (!stays) closePopover();
    await this.#call(async () => this.choice.choose(reference));
    this.draw();
  }

  async #fetch(model) {
    await this.#call(async () => {
      await this.app.api.post(`/api/models/${model.id}/pull`);
      this.requested.add(model.id); // not earlier: a list requested before doesn't show the download yet
    });
    this.#announceFetched();
  }

  async #convert(model) {
    const { base } = parts(model.id);
    if (!(await this.#call(() => this.app.api.post(`/api/models/${base}/convert`, {})))) return;
    this.app.toast(this.app.t("jobs.converting_model", { model: model.title }));
    await this.app.refreshJobs();
  }

  async #call(work) {
    try {
      await work();
      await this.app.refreshModels();
      return true;
    } catch (error) {
      this.app.toast(this.app.errorText(error));
      return false;
    }
  }

  #announceFetched() {
    const { app } = this;
    for (const id of this.requested) {
      const model = this.#find(id);
      if (!model || model.state === "fetching") continue;
      this.requested.delete(id);
      if (model.state === "not_fetched") {
        if (model.error && !this.#isOpen)
          app.toast(app.errorText({ ...model.error, details: { ...model.error.details, model_id: id } }));
        continue;
      }
      if (this.#model?.id === id) continue;
      app.toast(app.t("picker.fetched", { model: model.title }), {
        action: app.t("picker.use"),
        onAction: () => void this.#choose(this.#referenceOf(model)),
      });
    }
  }
}

/**
 * Place the popover below or above its button, where there is more space, and limit its height to that space. In a low
 * window (a phone on its side, 200 % zoom) it takes the whole height, over the button.
 */
function place(box, anchor) {
  const at = anchor.getBoundingClientRect();
  const above = at.top - 2 * GAP;
  const below = innerHeight - at.bottom - 2 * GAP;
  const under = below >= Math.min(above, box.scrollHeight);
  const space = under ? below : above;
  const isLow = space < Math.min(LOWEST, box.scrollHeight);
  const from = isLow ? GAP : at.bottom + GAP;
  box.style.top = under || isLow ? `${from}px` : "auto";
  box.style.bottom = under || isLow ? "auto" : `${innerHeight - at.top + GAP}px`;
  box.style.maxHeight = `${isLow ? innerHeight - 2 * GAP : Math.min(TALLEST, space)}px`;
}
