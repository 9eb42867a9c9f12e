import assert from "node:assert/strict";
import { test } from "node:test";

import {
  asRequest,
  asShown,
  choiceOf,
  followed,
  wasShown,
  winnerOf,
  withChoice,
  withRanks,
} from "../../frontends/gradio/static/comparison/judgement.js";
import { ranking } from "./fakes.js";

const PAIR = ranking("a1", "b1");

test("a choice becomes ranks of what was shown, wherever the server lists it", () => {
  const listed = { ...PAIR, items: [...PAIR.items].reverse() };
  assert.deepEqual(asShown(listed), PAIR.items);
  const ranks = (choice) => withChoice(listed, choice).items.map(({ message_id, rank }) => [message_id, rank]);
  assert.deepEqual(ranks("left"), [["a1", 1], ["b1", 2]]);
  assert.deepEqual(ranks("right"), [["a1", 2], ["b1", 1]]);
  assert.deepEqual(ranks("tie"), [["a1", 1], ["b1", 1]]);
  assert.deepEqual(ranks("both_bad"), [["a1", null], ["b1", null]]);
});

test("every choice is read again as it was made, and an open ranking is none", () => {
  assert.equal(choiceOf(PAIR), null);
  for (const choice of ["left", "right", "tie", "both_bad"]) {
    const chosen = withChoice(PAIR, choice);
    assert.equal(choiceOf(chosen), choice);
    assert.equal(chosen.open, false);
  }
});

test("the best reply wins; of equal and of bad ones, the leftmost", () => {
  assert.equal(winnerOf(withChoice(PAIR, "right")), "b1");
  assert.equal(winnerOf(withChoice(PAIR, "tie")), "a1");
  assert.equal(winnerOf(withChoice(PAIR, "both_bad")), "a1");
  const three = ranking("a1", "b1", "c1");
  assert.equal(winnerOf(withRanks(three, new Map([["a1", 2], ["b1", 1], ["c1", 1]]))), "b1");
});

test("a request holds positions and ranks, and that nothing was good is no tie", () => {
  const body = asRequest(withChoice(PAIR, "both_bad"));
  assert.deepEqual(body, {
    source: "side_by_side",
    items: [
      { message_id: "a1", rank: null, position: 0 },
      { message_id: "b1", rank: null, position: 1 },
    ],
    blind: true,
    both_bad: true,
  });
  assert.equal(asRequest(withChoice({ ...PAIR, both_bad: true }, "tie")).both_bad, false);
});

test("a tap after Regenerate and a correction were not shown side by side", () => {
  assert.equal(wasShown(PAIR), true);
  assert.equal(wasShown({ ...PAIR, source: "regenerate" }), false);
  assert.equal(wasShown({ ...PAIR, items: PAIR.items.map((item) => ({ ...item, position: null })) }), false);
});

test("the conversation follows the leftmost reply that has an answer", () => {
  const [failed, whole, pending] = [
    { state: "failed", content: "" },
    { state: "complete", content: "a" },
    { state: "pending", content: "" },
  ];
  assert.equal(followed([whole, whole]), 0);
  assert.equal(followed([failed, whole]), 1);
  assert.equal(followed([failed, pending]), 1);
  assert.equal(followed([null, null]), 0);
  assert.equal(followed([failed, failed]), 0);
});
