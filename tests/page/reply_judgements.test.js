import assert from "node:assert/strict";
import { test } from "node:test";

import { judgementLines } from "../../frontends/gradio/static/conversation/reply_judgements.js";
import { en } from "../../frontends/gradio/static/i18n/en.js";
import { zh } from "../../frontends/gradio/static/i18n/zh.js";

const t = (key, values = {}) => en[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const rating = (more = {}) => ({ verdict: "up", score: null, ...more });
const ranking = (more = {}) => ({ source: "regenerate", open: false, withdrawn: false, ...more });

test("a judgement tells what it is part of, or why it is not", () => {
  const lines = judgementLines(t, [
    { rating: rating(), ranking: null, rows: ["label", "pair"], dropped: {} },
    { rating: rating({ verdict: "down", score: 2 }), ranking: null, rows: [], dropped: { label: "no_consent" } },
    { rating: null, ranking: ranking(), rows: ["ranking"], dropped: { pair: "identical" }, datasets: ["tea"] },
    { rating: rating(), ranking: null, rows: [], dropped: {} },
  ]);
  assert.deepEqual(lines, [
    ["Good reply", "a rated reply, a preference pair"],
    ["Bad reply, 2 of 10", "Not used: this chat's feedback isn't for training"],
    ["Better or worse than before", "a ranking in tea"],
    ["Good reply", "Not used yet"],
  ]);
});

test("what was withdrawn or not decided is not told", () => {
  const lines = judgementLines(t, [
    { rating: rating({ verdict: "retracted" }), ranking: null, rows: [], dropped: {} },
    { rating: null, ranking: ranking({ open: true }), rows: [], dropped: {} },
    { rating: null, ranking: ranking({ withdrawn: true }), rows: [], dropped: {} },
  ]);
  assert.deepEqual(lines, []);
});

test("both languages have the same words for it", () => {
  const keys = (words) => Object.keys(words).filter((key) => key.startsWith("judgement."));
  assert.deepEqual(keys(en), keys(zh));
});
