import assert from "node:assert/strict";
import { test } from "node:test";

import { matchedTexts, placesOf } from "../../frontends/gradio/static/conversation/found_texts.js";

test("what a search marked, each once, counted in code points", () => {
  const match = { snippet: "🍵🍵 Tea, tea 茶 and Tea", ranges: [[3, 6], [8, 11], [12, 13], [18, 21]] };
  assert.deepEqual(matchedTexts(match), ["tea", "茶"]);
  assert.deepEqual(matchedTexts({ snippet: "x", ranges: [] }), []);
  assert.deepEqual(matchedTexts(null), []);
});

test("every place, in order, the longer text first", () => {
  assert.deepEqual(placesOf("Tea and green tea", ["tea", "green tea"]), [[0, 3], [8, 17]]);
  assert.deepEqual(placesOf("绿茶和红茶", ["茶"]), [[1, 2], [4, 5]]);
  assert.deepEqual(placesOf("nothing", ["tea"]), []);
});

test("letters whose small form is longer spoil no place", () => {
  assert.deepEqual(placesOf("İ tea", ["tea"]), []);
});
