import assert from "node:assert/strict";
import { test } from "node:test";

import { leftOut, requestOf, rowsOf, staleText } from "../../frontends/gradio/static/datasets/dataset_request.js";
import { fakeApp } from "./fakes.js";

const EMPTY = { name: "tea", formats: ["trl_sft"], language: "", source: "", since: "", until: "", minScore: "" };
const CHOSEN = { ...EMPTY, acceptedOnly: false, scrub: false, reasoning: false };

function app() {
  const made = fakeApp({ language: "en" });
  made.t = (key, values = {}) => [key.replace("datasets.", ""), ...Object.values(values)].join(" ");
  return made;
}

test("only the filters that were chosen are sent", () => {
  assert.deepEqual(requestOf(CHOSEN), { formats: ["trl_sft"], filters: {}, scrub: false, reasoning: false });
  const all = { ...CHOSEN, language: "zh", source: "correction", minScore: "7", acceptedOnly: true, scrub: true };
  assert.deepEqual(requestOf(all).filters, {
    languages: ["zh"],
    sources: ["correction"],
    min_score: 7,
    accepted_only: true,
  });
});

test("the days are the reader's, and the last one is included", () => {
  const { since, until } = requestOf({ ...CHOSEN, since: "2026-11-01", until: "2026-11-30" }).filters;
  assert.equal(since, new Date(2026, 10, 1).toISOString());
  assert.equal(until, new Date(2026, 11, 1).toISOString());
});

test("what is left out is told once for all kinds of rows, the most frequent reason first", () => {
  const preview = {
    dropped: { label: { no_consent: 2, tie: 1 }, pair: { no_consent: 2, no_rival: 5 } },
    filtered_judgements: { language: 3 },
    filtered_rows: {},
  };
  assert.deepEqual(leftOut(app(), preview), [
    "counted dropped_no_rival 5",
    "counted filtered 3",
    "counted dropped_no_consent 2",
    "counted dropped_tie 1",
  ]);
});

test("a dataset is stale for its reasons, or not at all", () => {
  assert.equal(staleText(app(), {}), "");
  assert.equal(staleText(app(), { deleted: 2 }), "stale counted stale_deleted 2");
});

test("rows are told by format", () => {
  assert.deepEqual(rowsOf({ formats: { a: { rows: 2, examples: [] }, b: { rows: 0, examples: [] } } }), [
    ["a", 2],
    ["b", 0],
  ]);
});
