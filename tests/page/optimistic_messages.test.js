import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { MessageTree } from "../../frontends/gradio/static/conversation/message_tree.js";
import { OptimisticMessages } from "../../frontends/gradio/static/conversation/optimistic_messages.js";
import { message } from "./fakes.js";

let tree, optimistic, renamed;

beforeEach(() => {
  tree = new MessageTree();
  renamed = [];
  optimistic = new OptimisticMessages(tree, (from, to) => renamed.push([from, to]));
});

const shown = () => tree.path().map(({ id, content, optimistic: isOptimistic }) => [content, isOptimistic ?? id]);

test("a question and its reply are shown before the server answers", () => {
  optimistic.question(null, "Hi", "test");
  assert.deepEqual(shown(), [
    ["Hi", true],
    ["", true],
  ]);
  assert.equal(tree.path()[1].model_id, "test");
});

test("the server's messages take their places, one after the other", () => {
  optimistic.question(null, "Hi", "test");
  optimistic.adopt(message("q1", null, { content: "Hi" }));
  assert.deepEqual(shown(), [
    ["Hi", "q1"],
    ["", true],
  ]);
  optimistic.adopt(message("a1", "q1", { content: "", state: "pending" }));
  assert.deepEqual(shown(), [
    ["Hi", "q1"],
    ["", "a1"],
  ]);
  assert.deepEqual(renamed, [
    ["optimistic-question", "q1"],
    ["optimistic-reply", "a1"],
  ]);
  assert.equal(optimistic.clear(), false);
});

test("the same message told twice replaces nothing twice", () => {
  optimistic.question(null, "Hi", "test");
  for (let n = 0; n < 2; n += 1) optimistic.adopt(message("q1", null, { content: "Hi" }));
  assert.equal(renamed.length, 1);
  assert.equal(tree.children(null).length, 1);
});

test("a message elsewhere in the tree replaces nothing", () => {
  tree.add(message("q1", null));
  tree.add(message("a1", "q1"));
  optimistic.question("a1", "And now?", "test");
  optimistic.adopt(message("q2", null, { content: "from another tab" }));
  assert.deepEqual(renamed, []);
  assert.equal(tree.path().length, 4);
});

test("a refusal takes both away and leads back to where they began", () => {
  tree.add(message("q1", null));
  tree.add(message("a1", "q1"));
  optimistic.question("a1", "And now?", "test");
  assert.equal(optimistic.clear(), true);
  assert.equal(tree.leaf, "a1");
  assert.deepEqual(tree.children("a1"), []);
});
