import assert from "node:assert/strict";
import { test } from "node:test";

import { MessageTree } from "../../frontends/gradio/static/conversation/message_tree.js";
import { message } from "./fakes.js";

/** q1 → a1 and a2; a1 → q2 → a3. */
function branched() {
  const tree = new MessageTree();
  const minute = (n) => ({ created_at: `2026-01-01T00:0${n}:00Z` });
  tree.add(message("q1", null, minute(0)));
  tree.add(message("a1", "q1", minute(1)));
  tree.add(message("a2", "q1", minute(3)));
  tree.add(message("q2", "a1", minute(2)));
  tree.add(message("a3", "q2", minute(2)));
  return tree;
}

const ids = (messages) => messages.map(({ id }) => id);

test("the path leads from the first message to the leaf", () => {
  const tree = branched();
  tree.show("a3");
  assert.deepEqual(ids(tree.path()), ["q1", "a1", "q2", "a3"]);
  tree.show(null);
  assert.deepEqual(tree.path(), []);
});

test("versions are in the order of their making, whatever order they arrive in", () => {
  const tree = branched();
  tree.add(message("a0", "q1", { created_at: "2026-01-01T00:00:30Z" }));
  const { list, index } = tree.versions(tree.get("a1"));
  assert.deepEqual([ids(list), index], [["a0", "a1", "a2"], 1]);
});

test("versions of the same moment are in the order of their ids", () => {
  const tree = new MessageTree();
  for (const id of ["qb", "qa", "qc"]) tree.add(message(id, null));
  assert.deepEqual(ids(tree.children(null)), ["qa", "qb", "qc"]);
});

test("a version that was shown before leads to the leaf that was shown below it", () => {
  const tree = branched();
  tree.add(message("a4", "q2", { created_at: "2026-01-01T00:05:00Z" }));
  tree.show("a3");
  tree.showThrough("a2");
  assert.equal(tree.leaf, "a2");
  tree.showThrough("a1");
  assert.equal(tree.leaf, "a3");
});

test("a version that was not shown yet leads to the newest message below it", () => {
  const tree = branched();
  tree.show("a2");
  tree.showThrough("a1");
  assert.equal(tree.leaf, "a3");
});

test("a finished message never goes back to running", () => {
  const tree = branched();
  tree.add(message("a1", "q1", { state: "pending", content: "" }));
  assert.deepEqual([tree.get("a1").state, tree.get("a1").content], ["complete", "a1"]);
});

test("what brings nothing new keeps the message as it is, so that it is not drawn again", () => {
  const tree = branched();
  tree.add({ ...tree.get("a1"), usage: { prompt_tokens: 3, completion_tokens: 5 } });
  const known = tree.get("a1");
  tree.add({ id: "a1", content: "a1", usage: { completion_tokens: 5, prompt_tokens: 3 } });
  assert.equal(tree.get("a1"), known);
  tree.add({ id: "a1", html: "<p>a1</p>" });
  assert.notEqual(tree.get("a1"), known);
  assert.equal(tree.get("a1").content, "a1");
});

test("when the leaf is removed, its parent is shown", () => {
  const tree = branched();
  tree.show("a3");
  tree.remove("a3");
  assert.deepEqual(ids(tree.path()), ["q1", "a1", "q2"]);
  assert.deepEqual(tree.children("q2"), []);
});
