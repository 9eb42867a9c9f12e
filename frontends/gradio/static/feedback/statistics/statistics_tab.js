/** The tab Statistics: how much is judged, what people like, what biases them, and whether they agree. */
import { number } from "../../i18n/format.js";
import { h } from "../../page/dom.js";
import { textButton } from "../../widgets/buttons.js";
import { dataTable } from "../data_table.js";
import { intervalBar, shareBar } from "../interval_bar.js";
import { playerName } from "../player_name.js";
import { timeChart } from "./time_chart.js";

const PERCENT = { style: "percent", maximumFractionDigits: 0 };
const GOOD_ALPHA = 0.8; // Krippendorff: below, draw tentative conclusions; below 0.667, none
const FAIR_ALPHA = 0.667;

/** @returns {{element: HTMLElement, show: () => void}} */
export function statisticsTab(app) {
  return new StatisticsTab(app);
}

class StatisticsTab {
  constructor(app) {
    this.app = app;
    this.element = h("div.p-figures");
    this.found = null;
    for (const event of ["language", "models"]) app.on(event, () => this.draw());
  }

  show() {
    this.draw();
    void this.#load();
  }

  async #load() {
    try {
      this.found = await this.app.api.get("/api/feedback/statistics");
      this.failed = null;
    } catch (error) {
      this.failed = error;
    }
    this.draw();
  }

  draw() {
    const { app, found, failed } = this;
    if (found && !failed) return this.element.replaceChildren(...(found.judgements ? this.#parts() : this.#nothing()));
    if (!failed) return this.element.replaceChildren(h("p.p-area-empty", {}, app.t("feedback.loading")));
    const again = textButton(app.t("sidebar.again"), () => void this.#load(), "p-small", "refresh");
    return this.element.replaceChildren(h("div.p-area-empty", {}, h("p", {}, app.errorText(failed)), again));
  }

  #nothing() {
    const { app, found } = this;
    const withheld = found.withheld > 0 && h("p", {}, app.t("statistics.withheld", { count: number(app, found.withheld) }));
    return [h("div.p-area-empty", {}, h("p", {}, app.t("statistics.none")), withheld)];
  }

  #parts() {
    const { app, found } = this;
    return [
      this.#tiles(),
      timeChart(app, found.days),
      this.#players(),
      h("div.p-figures-pair", {}, this.#reasons("down"), this.#reasons("up")),
      this.#lengths(),
      this.#biases(),
    ].filter(Boolean);
  }

  #tiles() {
    const { app, found } = this;
    const { decisions } = found;
    const count = (value) => number(app, value);
    const reviewed = app.t("statistics.reviewed", { accepted: count(decisions.accepted), excluded: count(decisions.excluded) });
    const withheld = found.withheld ? app.t("statistics.withheld", { count: count(found.withheld) }) : "";
    const coverage = app.t("statistics.coverage_of", { count: count(found.judged.count), of: count(found.judged.of) });
    return h(
      "dl.p-tiles",
      {},
      this.#tile("statistics.judgements", count(found.judgements), [reviewed, withheld]),
      this.#tile("statistics.coverage", this.#percent(found.judged.value), [coverage]),
      ...["thumbs", "order"].map((name) => this.#agreement(name)),
    );
  }

  #agreement(name) {
    const { app, found } = this;
    const { alpha, units } = found.agreement[name];
    if (alpha === null) return this.#tile(`statistics.agreement_${name}`, "–", [app.t("statistics.agreement_none")]);
    const level = alpha >= GOOD_ALPHA ? "good" : alpha >= FAIR_ALPHA ? "fair" : "poor";
    const text = app.t(`statistics.agreement_${level}`, { count: number(app, units) });
    return this.#tile(`statistics.agreement_${name}`, `α = ${number(app, alpha, { maximumFractionDigits: 2 })}`, [text]);
  }

  #tile(key, value, notes) {
    const lines = notes.filter(Boolean).map((text) => h("dd.p-muted", {}, text));
    return h("div.p-tile", {}, h("dt", {}, this.app.t(key)), h("dd.p-tile-value", {}, value), ...lines);
  }

  #players() {
    const { app, found } = this;
    const rated = found.players.filter(({ up }) => up.of > 0);
    if (!rated.length) return null;
    const heads = ["model", "up_rate", "interval", "thumbs", "replies_judged"].map((name) => app.t(`statistics.${name}`));
    const rows = rated.map(({ player, up, judged }) => [
      playerName(app, player),
      this.#percent(up.value),
      this.#withText(intervalBar(up, [0, 1], 0.5), up),
      number(app, up.of),
      judged.of ? `${this.#percent(judged.value)} (${number(app, judged.count)})` : number(app, judged.count),
    ]);
    return dataTable(app.t("statistics.up_by_model"), heads, rows);
  }

  #reasons(verdict) {
    const { app, found } = this;
    const counted = found.reasons[verdict];
    if (!counted.length) return null;
    const heads = ["reason", "share", "count"].map((name) => app.t(`statistics.${name}`));
    const most = Math.max(...counted.map(({ count }) => count));
    const rows = counted.map(({ name, count }) => [
      app.t(`rating.reason_${name}`),
      shareBar(count / most),
      number(app, count),
    ]);
    return dataTable(app.t(`statistics.reasons_${verdict}`), heads, rows);
  }

  #lengths() {
    const { app, found } = this;
    const { lengths } = found;
    if (!lengths.length) return null;
    const heads = ["length", "up_rate", "interval", "thumbs"].map((name) => app.t(`statistics.${name}`));
    const rows = lengths.map(({ from_characters: from, up }, at) => [
      this.#range(from, lengths[at + 1]?.from_characters),
      this.#percent(up.value),
      this.#withText(intervalBar(up, [0, 1], 0.5), up),
      number(app, up.of),
    ]);
    return dataTable(app.t("statistics.up_by_length"), heads, rows);
  }

  #range(from, to) {
    const { app } = this;
    if (to === undefined) return app.t("statistics.characters_from", { from: number(app, from) });
    return app.t("statistics.characters", { from: number(app, from), to: number(app, to - 1) });
  }

  #biases() {
    const { app, found } = this;
    const heads = ["bias", "share", "interval", "comparisons"].map((name) => app.t(`statistics.${name}`));
    const shares = [
      ["first_won", found.first_won],
      ["longer_won", found.longer_won],
    ].filter(([, share]) => share.of > 0);
    const rows = shares.map(([name, share]) => [
      app.t(`statistics.${name}`),
      this.#percent(share.value),
      this.#withText(intervalBar(share, [0, 1], 0.5), share),
      number(app, share.of),
    ]);
    return rows.length ? dataTable(app.t("statistics.biases"), heads, rows) : null;
  }

  /** A drawing with its numbers for screen readers. */
  #withText(drawing, { low, high }) {
    const { app } = this;
    const text = app.t("statistics.between", { low: this.#percent(low), high: this.#percent(high) });
    return h("span.p-bar-cell", { title: text }, drawing, h("span.p-offscreen", {}, text));
  }

  #percent(value) {
    return value === null ? "–" : number(this.app, value, PERCENT);
  }
}
