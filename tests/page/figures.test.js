import assert from "node:assert/strict";
import { test } from "node:test";

import { findingText } from "../../frontends/gradio/static/feedback/leaderboard/findings.js";
import { neighbourText, placeText } from "../../frontends/gradio/static/feedback/leaderboard/standing_words.js";
import { languageName, playerName, raterName } from "../../frontends/gradio/static/feedback/player_name.js";
import { place, scaleOf } from "../../frontends/gradio/static/feedback/scale.js";
import { ticks, timeBuckets } from "../../frontends/gradio/static/feedback/statistics/time_buckets.js";
import { createTranslate } from "../../frontends/gradio/static/i18n/language.js";
import { fakeApp } from "./fakes.js";

const day = (name, up = 1) => ({ day: name, up, down: 0, rankings: 2 });
const speaking = (language) => ({ ...fakeApp({ language }), t: createTranslate(() => language) });
const finding = (defect, figures, values = {}) => ({ defect, figures, message: "In English.", players: [], rater: null, ...values });

test("days without judgements are columns, too", () => {
  const { unit, buckets } = timeBuckets([day("2026-11-27", 3), day("2026-11-30")]);
  assert.equal(unit, "day");
  assert.deepEqual(buckets.map((bucket) => `${bucket.day} ${bucket.up} ${bucket.rankings}`), [
    "2026-11-27 3 2",
    "2026-11-28 0 0",
    "2026-11-29 0 0",
    "2026-11-30 1 2",
  ]);
  assert.deepEqual(timeBuckets([]).buckets, []);
});

test("a long time is shown by week, from Monday, or by month", () => {
  const weeks = timeBuckets([day("2026-09-02"), day("2026-09-06"), day("2026-11-27")]);
  assert.equal(weeks.unit, "week");
  assert.deepEqual([weeks.buckets[0].day, weeks.buckets[0].up, weeks.buckets.length], ["2026-08-31", 2, 13]);
  const months = timeBuckets([day("2024-01-31"), day("2024-02-29"), day("2026-11-27")]);
  assert.equal(months.unit, "month");
  assert.deepEqual([months.buckets[0].day, months.buckets[1].up, months.buckets.length], ["2024-01-01", 1, 35]);
});

test("the numbers at a chart are round, and few", () => {
  assert.deepEqual(ticks(0), [0, 1]);
  assert.deepEqual(ticks(3), [0, 1, 2, 3]);
  assert.deepEqual(ticks(17), [0, 5, 10, 15, 20]);
  assert.deepEqual(ticks(4321), [0, 2000, 4000, 6000]);
});

test("bars end inside their scale", () => {
  assert.deepEqual([place(5, [0, 10]), place(-5, [0, 10]), place(50, [0, 10]), place(3, [3, 3])], [0.5, 0, 1, 0.5]);
});

test("ranked players set the scale, so that one with few votes does not stretch it", () => {
  const standing = (rank, low, high) => ({ rank, rating: (low + high) / 2, rating_low: low, rating_high: high });
  assert.deepEqual(scaleOf([standing(1, 950, 1100), standing(null, 100, 2000)]), [950, 1100]);
  assert.deepEqual(scaleOf([standing(null, 100, 2000)]), [100, 2000]);
  assert.deepEqual(scaleOf([{ rank: null, rating: null }]), [0, 1]);
});

test("a place is said with those that are possible", () => {
  const app = speaking("en");
  assert.equal(placeText(app, { rank: 2, rank_best: 1, rank_worst: 3 }), "2 (1–3)");
  assert.equal(placeText(app, { rank: 1, rank_best: 1, rank_worst: 1 }), "1");
  assert.equal(placeText(app, { rank: null, rank_best: null, rank_worst: null }), "–");
});

test("neighbours are told apart, or not yet, in words", () => {
  const pair = { better: "a", worse: "b", difference: 31.6, low: -12.2, high: 75.4 };
  assert.equal(
    neighbourText(speaking("en"), { ...pair, verdict: "not_yet_separable" }),
    "a and b can't be separated yet: 32 points (-12 to 75). More votes help.",
  );
  assert.equal(neighbourText(speaking("zh"), { ...pair, verdict: "separable" }), "a 优于 b：相差 32 分（-12 至 75）。");
});

test("people, imported models and languages have names", () => {
  const app = speaking("en");
  app.state.models = [{ id: "tiny", title: "Tiny", quantizations: [] }];
  assert.equal(playerName(app, null), "A person");
  assert.equal(playerName(app, "import:gpt-x"), "gpt-x (imported)");
  assert.equal(playerName(app, "gone@int4+mine"), "gone@int4+mine");
  assert.equal(raterName(app, { id: "local", name: "" }), "You");
  assert.equal(raterName(app, { id: "01ABC", name: "" }), "01ABC");
  assert.deepEqual([languageName(app, "zh"), languageName(speaking("zh"), "en"), languageName(app, "")], ["Chinese", "英语", "No language"]);
});

const FINDINGS = [
  finding("position_bias", { win_share: 0.62, coefficient: 0.5, votes: 400 }),
  finding("position_bias", { win_share: 0.38, coefficient: -0.5, votes: 400 }),
  finding("length_bias", { win_share: 0.7, coefficient: 1, votes: 400 }),
  finding("length_bias", { win_share: 0.3, coefficient: -1, votes: 400 }),
  finding("flooding", { share: 0.5, votes: 900, lost: 2, kept: 3, gained: 1, disagrees: 0 }, { rater: "local" }),
  finding("flooding", { share: 0.5, votes: 900, lost: 2, kept: 3, gained: 1, disagrees: 1 }, { rater: "ann" }),
  finding("cycle", { cycles: 1, share_1: 0.7, share_2: 0.7, share_3: 0.7 }, { players: ["a", "b", "c"] }),
  finding("copied_votes", { copies: 30, votes: 100, copies_of_rater: 20 }, { rater: "ann" }),
  finding("one_sided_ties", { tie_share: 0.4, expected_share: 0.1 }, { players: ["a"] }),
  finding("one_sided_ties", { tie_share_first_weaker: 0.4, tie_share_first_stronger: 0.1 }),
  finding("possibly_renamed", { difference: 12.4, votes_before: 90, votes_after: 80 }, { players: ["a", "b"] }),
  finding("too_few_votes", { players: 2, needed: 20 }, { players: ["a", "b"] }),
  finding("disconnected", { groups: 2 }),
];

test("every finding is a whole sentence in both languages", () => {
  const said = new Set();
  for (const language of ["en", "zh"]) {
    for (const one of FINDINGS) {
      const text = findingText(speaking(language), one, [{ id: "ann", name: "Ann" }]);
      assert.doesNotMatch(text, /[{}]|undefined|NaN|finding\./, text);
      said.add(text);
    }
  }
  assert.equal(said.size, 2 * FINDINGS.length);
  assert.match(findingText(speaking("en"), FINDINGS[5], [{ id: "ann", name: "Ann" }]), /^Ann gives 50% of all votes \(900\).*2 of 5 pairs/);
});

test("a finding that the page does not know is told in English", () => {
  assert.equal(findingText(speaking("zh"), finding("new", {})), "In English.");
});
