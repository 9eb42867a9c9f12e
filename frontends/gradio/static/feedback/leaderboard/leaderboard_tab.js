/** The tab Leaderboard: models ranked by people's comparisons, how sure that is, and what is suspicious about it. */
import { number } from "../../i18n/format.js";
import { h } from "../../page/dom.js";
import { textButton } from "../../widgets/buttons.js";
import { languageName } from "../player_name.js";
import { SelectField } from "../select_field.js";
import { findingText } from "./findings.js";
import { standingsTable } from "./standings_table.js";

const SOURCES = ["ratings", "regenerate", "side_by_side", "ranking", "best_of_n", "import"];

/** @returns {{element: HTMLElement, show: () => void}} */
export function leaderboardTab(app) {
  return new LeaderboardTab(app);
}

class LeaderboardTab {
  constructor(app) {
    this.app = app;
    this.values = {};
    this.language = new SelectField((value) => this.#set("language", value));
    this.source = new SelectField((value) => this.#set("source", value));
    this.blind = this.#check("blind", false);
    this.length = this.#check("equal_length", true);
    const checks = [this.blind, this.length].map(({ element }) => element);
    this.filters = h("div.p-filters-fields", {}, this.language.element, this.source.element, ...checks);
    this.body = h("div.p-figures-body", { "aria-live": "polite" });
    this.element = h("div.p-figures", {}, this.filters, this.body);
    for (const event of ["language", "models"]) app.on(event, () => this.draw());
  }

  show() {
    this.draw();
    void this.#load();
  }

  #check(name, checked) {
    const input = h("input.p-check", { type: "checkbox", onchange: () => this.#set(name, String(input.checked)) });
    input.checked = checked;
    const text = h("span");
    return { text, element: h("label.p-check-row", {}, input, text) };
  }

  #set(name, value) {
    this.values = { ...this.values, [name]: value };
    void this.#load();
  }

  async #load() {
    const call = (this.call = {});
    const { api } = this.app;
    const query = new URLSearchParams(Object.entries(this.values).filter(([, value]) => value)).toString();
    try {
      const [board, statistics] = await Promise.all([
        api.get(`/api/feedback/leaderboard?${query}`),
        api.get("/api/feedback/statistics"),
      ]);
      if (call !== this.call) return;
      [this.board, this.statistics, this.failed] = [board, statistics, null];
    } catch (error) {
      if (call !== this.call) return;
      this.failed = error;
    }
    this.draw();
  }

  draw() {
    const { app } = this;
    this.#drawFilters();
    if (this.failed) {
      const again = textButton(app.t("sidebar.again"), () => void this.#load(), "p-small", "refresh");
      return this.body.replaceChildren(h("div.p-area-empty", {}, h("p", {}, app.errorText(this.failed)), again));
    }
    if (!this.board) return this.body.replaceChildren(h("p.p-area-empty", {}, app.t("feedback.loading")));
    return this.body.replaceChildren(...(this.board.groups.length ? this.#parts() : this.#nothing()));
  }

  #drawFilters() {
    const { app } = this;
    const languages = (this.statistics?.languages ?? []).map(({ name }) => name).filter(Boolean);
    const any = ["", app.t("review.any")];
    const named = languages.map((code) => [code, languageName(app, code)]);
    this.language.draw(app.t("review.filter_language"), named.length > 1 ? [any, ...named] : []);
    const sources = SOURCES.map((name) => [name, app.t(name === "ratings" ? "leaderboard.ratings" : `judgement.${name}`)]);
    this.source.draw(app.t("review.filter_kind"), [any, ...sources]);
    this.blind.text.textContent = app.t("leaderboard.blind_only");
    this.length.text.textContent = app.t("leaderboard.equal_length");
  }

  #nothing() {
    const { app } = this;
    const isFiltered = this.board.counts.filtered_out > 0;
    return [h("div.p-area-empty", {}, h("p", {}, app.t(isFiltered ? "leaderboard.none_found" : "leaderboard.none")))];
  }

  #parts() {
    const { app, board } = this;
    const several = board.groups.length > 1;
    const title = (at) => (several ? app.t("leaderboard.group", { number: at + 1 }) : app.t("leaderboard.title"));
    const notes = [this.#countsText(), app.t(`leaderboard.clustered_by_${board.clustered_by}`), app.t("leaderboard.scale")];
    return [
      this.#findings(),
      ...board.groups.map((group, at) => standingsTable(app, group, title(at))),
      h("ul.p-board-notes.p-muted", {}, ...notes.map((text) => h("li", {}, text))),
    ].filter(Boolean);
  }

  #findings() {
    const { app, board } = this;
    if (!board.findings.length) return null;
    const raters = this.statistics.raters;
    const lines = board.findings.map((finding) =>
      h("li", { dataset: { defect: finding.defect }, dir: "auto" }, findingText(app, finding, raters)),
    );
    return h("section.p-findings", {}, h("h2", {}, app.t("leaderboard.findings")), h("ul", {}, ...lines));
  }

  #countsText() {
    const { app } = this;
    const { used, both_bad: bothBad, self_pairs: selfPairs, copies } = this.board.counts;
    const values = { used, bothBad, selfPairs, copies };
    return app.t(
      "leaderboard.counts",
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, number(app, value)])),
    );
  }
}
