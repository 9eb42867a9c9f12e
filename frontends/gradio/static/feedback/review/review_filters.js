/** The review's filters: only those that can leave something out are shown. */
import { h } from "../../page/dom.js";
import { textButton } from "../../widgets/buttons.js";
import { languageName, playerName, raterName } from "../player_name.js";
import { SelectField } from "../select_field.js";

const SELECTS = ["decision", "kind", "model", "adapter", "rater", "reason", "language"];
const DECISIONS = ["open", "accepted", "excluded"];

export class ReviewFilters {
  /**
   * @param {Object} app
   * @param {(filters: Object<string, string>) => void} apply
   */
  constructor(app, apply) {
    this.app = app;
    this.apply = apply;
    this.values = {};
    this.statistics = null; // which models, raters, … there are
    this.fields = Object.fromEntries(SELECTS.map((name) => [name, new SelectField((value) => this.#set(name, value))]));
    this.days = Object.fromEntries(["since", "until"].map((name) => [name, this.#day(name)]));
    this.disputed = h("input.p-check", { type: "checkbox", onchange: () => this.#set("disagreement", this.#isDisputed()) });
    this.disputedText = h("span");
    this.reset = textButton("", () => this.#reset(), "p-small");
    this.summary = h("summary.p-filters-summary");
    const selects = SELECTS.map((name) => this.fields[name].element);
    const days = Object.values(this.days).map(({ element }) => element);
    const check = h("label.p-check-row", {}, this.disputed, this.disputedText);
    this.element = h(
      "details.p-filters",
      {},
      this.summary,
      h("div.p-filters-fields", {}, ...selects, ...days, check, this.reset),
    );
    this.draw();
  }

  /** @param {Object} statistics as the API tells them */
  know(statistics) {
    this.statistics = statistics;
    this.draw();
  }

  draw() {
    const { app } = this;
    for (const name of SELECTS) {
      const options = this.#options(name);
      this.fields[name].draw(app.t(`review.filter_${name}`), options.length ? [["", app.t("review.any")], ...options] : []);
    }
    for (const [name, { text }] of Object.entries(this.days)) text.textContent = app.t(`review.filter_${name}`);
    this.disputedText.textContent = app.t("review.filter_disagreement");
    this.reset.textContent = app.t("review.reset");
    const set = Object.values(this.values).filter(Boolean).length;
    this.reset.hidden = set === 0;
    this.summary.textContent = set ? app.t("review.filters_set", { count: set }) : app.t("review.filters");
  }

  #options(name) {
    const { app, statistics } = this;
    const named = (values, text) => values.map((value) => [value, text(value)]);
    if (name === "decision") return named(DECISIONS, (value) => app.t(`review.decision_${value}`));
    if (!statistics) return [];
    const { kinds, players, adapters, raters, reasons, languages } = statistics;
    const names = (counted) => counted.map((each) => each.name);
    const options = {
      kind: () => named(names(kinds), (value) => app.t(`judgement.${value}`)),
      model: () => named(players.filter(wasJudged).map(({ player }) => player), (value) => playerName(app, value)),
      adapter: () => named(names(adapters), (value) => value),
      rater: () => (raters.length > 1 ? raters.map((rater) => [rater.id, raterName(app, rater)]) : []),
      reason: () => named(names([...reasons.up, ...reasons.down]), (value) => app.t(`rating.reason_${value}`)),
      language: () => named(names(languages).filter(Boolean), (value) => languageName(app, value)),
    };
    return options[name]();
  }

  #day(name) {
    const input = h("input.p-select", { type: "date", onchange: () => this.#set(name, input.value) });
    const text = h("span.p-select-name");
    return { input, text, element: h("label.p-select-field", {}, text, input) };
  }

  #isDisputed() {
    return this.disputed.checked ? "true" : "";
  }

  #set(name, value) {
    this.values = { ...this.values, [name]: value };
    this.draw();
    this.apply(this.values);
  }

  #reset() {
    this.values = {};
    for (const field of Object.values(this.fields)) field.set("");
    for (const { input } of Object.values(this.days)) input.value = "";
    this.disputed.checked = false;
    this.draw();
    this.apply(this.values);
    this.summary.focus();
  }
}

function wasJudged({ up, judged }) {
  return up.of > 0 || judged.count > 0;
}
