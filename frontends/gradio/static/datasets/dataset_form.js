/** The form of a new dataset: name, formats and filters, with a preview of what it would contain. */
import { number } from "../i18n/format.js";
import { LOCALES } from "../i18n/language.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { leftOut, requestOf, rowsOf } from "./dataset_request.js";

const LANGUAGES = ["zh", "en", "ja", "ko", "ru", "ar", "hi", "th"];
const SOURCES = ["ratings", "correction", "side_by_side", "ranking", "regenerate", "best_of_n", "import"];
const USUAL = new Set(["trl_pairs", "trl_unpaired", "trl_sft", "trl_prompts"]);

/** Drawn anew for another language or other formats; what was chosen is kept. */
export class DatasetForm {
  /**
   * @param {Object} app
   * @param {{built: () => void}} on called when a build has begun
   */
  constructor(app, on) {
    Object.assign(this, { app, on, formats: [] });
    this.element = h("form.p-dataset-form");
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#build();
    });
  }

  /** @param {{name: string, description: string}[]} formats that the server knows */
  draw(formats) {
    const { app } = this;
    const before = this.formats.length ? this.chosen() : null;
    this.formats = formats;
    this.name = h("input.p-field", { required: true, maxlength: "64", autocomplete: "off", spellcheck: "false" });
    this.since = h("input.p-field", { type: "date" });
    this.until = h("input.p-field", { type: "date" });
    this.minScore = h("input.p-field", { type: "number", min: "1", max: "10", inputmode: "numeric" });
    this.language = this.#select(LANGUAGES, (code) => languageName(app, code));
    this.source = this.#select(SOURCES, (name) => app.t(`datasets.source_${name}`));
    this.boxes = ["accepted", "scrub", "reasoning"].map((name) => this.#check(name));
    this.chips = formats.map((format) => this.#chip(format));
    this.error = h("p.p-error", { role: "alert", hidden: true });
    this.preview = h("div.p-dataset-preview", { "aria-live": "polite" });
    this.submit = h("button.p-button.p-primary", { type: "submit" }, app.t("datasets.build"));
    const look = textButton(app.t("datasets.preview"), () => void this.#look());
    this.element.replaceChildren(
      this.#field("datasets.name", this.name),
      h("fieldset.p-dataset-formats", {}, h("legend", {}, app.t("datasets.formats")), h("div.p-chips", {}, ...this.chips)),
      h(
        "div.p-dataset-filters",
        {},
        this.#field("datasets.language", this.language),
        this.#field("datasets.source", this.source),
        this.#field("datasets.since", this.since),
        this.#field("datasets.until", this.until),
        this.#field("datasets.min_score", this.minScore),
      ),
      h("div.p-dataset-checks", {}, ...this.boxes.map((box) => box.label)),
      this.error,
      h("div.p-dataset-foot", {}, this.submit, look),
      this.preview,
    );
    if (before) this.#restore(before);
  }

  #field(key, field) {
    return h("label.p-dataset-field", {}, h("span", {}, this.app.t(key)), field);
  }

  #select(values, nameOf) {
    const all = h("option", { value: "" }, this.app.t("datasets.all"));
    return h("select.p-select", {}, all, ...values.map((value) => h("option", { value }, nameOf(value))));
  }

  #check(name) {
    const box = h("input.p-check", { type: "checkbox", name });
    return { box, label: h("label.p-check-row", {}, box, h("span", {}, this.app.t(`datasets.${name}`))) };
  }

  #chip({ name, description }) {
    const box = h("input", { type: "checkbox", name: "format", value: name, checked: USUAL.has(name) });
    return h("label.p-chip", { title: description }, box, h("span", {}, name));
  }

  /** @returns {import("./dataset_request.js").Chosen} */
  chosen() {
    const [accepted, scrub, reasoning] = this.boxes.map(({ box }) => box.checked);
    return {
      name: this.name.value.trim(),
      formats: this.chips.map((chip) => chip.firstChild).filter((box) => box.checked).map((box) => box.value),
      language: this.language.value,
      source: this.source.value,
      since: this.since.value,
      until: this.until.value,
      minScore: this.minScore.value,
      acceptedOnly: accepted,
      scrub,
      reasoning,
    };
  }

  #restore(chosen) {
    for (const name of ["name", "language", "source", "since", "until", "minScore"]) this[name].value = chosen[name];
    const checks = [chosen.acceptedOnly, chosen.scrub, chosen.reasoning];
    this.boxes.forEach(({ box }, at) => (box.checked = checks[at]));
    for (const chip of this.chips) chip.firstChild.checked = chosen.formats.includes(chip.firstChild.value);
  }

  async #look() {
    await this.#ask(async () => this.#show(await this.app.api.post("/api/datasets/preview", requestOf(this.chosen()))));
  }

  async #build() {
    const chosen = this.chosen();
    await this.#ask(async () => {
      await this.app.api.post("/api/datasets", { name: chosen.name, ...requestOf(chosen) });
      this.name.value = "";
      this.preview.replaceChildren();
      this.on.built();
    });
  }

  async #ask(work) {
    if (this.submit.disabled) return;
    this.error.hidden = true;
    this.submit.disabled = true;
    try {
      await work();
    } catch (problem) {
      this.error.textContent = problem.code === "invalid_request" ? problem.message : this.app.errorText(problem);
      this.error.hidden = false;
    } finally {
      this.submit.disabled = false;
    }
  }

  #show(preview) {
    const { app } = this;
    const rows = rowsOf(preview).map(([name, count]) =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, number(app, count))),
    );
    const caption = h("caption", {}, app.t("datasets.preview_of", { count: number(app, preview.conversations) }));
    const dropped = leftOut(app, preview).map((text) => h("li", {}, text));
    this.preview.replaceChildren(
      h("table.p-dataset-rows", {}, caption, h("tbody", {}, ...rows)),
      ...(preview.complete ? [] : [h("p.p-muted", {}, app.t("datasets.preview_part"))]),
      ...(dropped.length ? [h("p", {}, app.t("datasets.left_out")), h("ul", {}, ...dropped)] : []),
      ...this.#examples(preview),
    );
  }

  #examples({ formats }) {
    return Object.entries(formats)
      .filter(([, { examples }]) => examples.length)
      .map(([name, { examples }]) =>
        h(
          "details.p-dataset-example",
          {},
          h("summary", {}, this.app.t("datasets.example", { format: name })),
          h("pre", { dir: "ltr" }, JSON.stringify(examples[0], null, 2)),
        ),
      );
  }
}

function languageName(app, code) {
  return new Intl.DisplayNames(LOCALES[app.state.language], { type: "language" }).of(code);
}
