import assert from "node:assert/strict";
import { test } from "node:test";

import { replyMeant, verdictOf } from "../../frontends/gradio/static/conversation/rating_keys.js";

const FIELD = { matches: () => true, value: "", closest: () => null };
const BUTTON = { matches: () => false };
const key = (name, more = {}) => ({ key: name, altKey: true, target: BUTTON, ...more });

test("Alt and an arrow give a thumb", () => {
  assert.equal(verdictOf(key("ArrowUp")), "up");
  assert.equal(verdictOf(key("ArrowDown")), "down");
  assert.equal(verdictOf(key("ArrowUp", { altKey: false })), null);
  assert.equal(verdictOf(key("ArrowUp", { shiftKey: true })), null);
  assert.equal(verdictOf(key("x")), null);
});

test("in a text these keys move the caret, in an empty composer they rate", () => {
  assert.equal(verdictOf(key("ArrowUp", { target: { ...FIELD, value: "text" } })), null);
  assert.equal(verdictOf(key("ArrowUp", { target: { ...FIELD, closest: () => ({}) } })), null);
  assert.equal(verdictOf(key("ArrowUp", { target: FIELD })), "up");
});

test("the reply with the focus is meant, else the last one; none that is still written", () => {
  const [first, last] = ["complete", "complete"].map((state) => ({ dataset: { state }, closest: () => null }));
  const column = { querySelectorAll: () => [first, last] };
  assert.equal(replyMeant(column, { closest: () => first }), first);
  assert.equal(replyMeant(column, { closest: () => null }), last);
  assert.equal(replyMeant(column, { closest: () => ({ ...first, closest: () => ({}) }) }), undefined); // side by side
  last.dataset.state = "pending";
  assert.equal(replyMeant(column, { closest: () => null }), undefined);
  assert.equal(replyMeant({ querySelectorAll: () => [] }, {}), undefined);
});
