import assert from "node:assert/strict";
import { test } from "node:test";

import { rankingOf, stepOf, versionBefore } from "../../frontends/gradio/static/comparison/regenerated.js";

const reply = (id, more = {}) => ({ id, role: "assistant", state: "complete", content: id, ...more });
const before = (list, index) => versionBefore(list[index], { list, index })?.id ?? null;

test("a version is compared with the one before it, once both are written", () => {
  assert.equal(before([reply("a"), reply("b"), reply("c")], 2), "b");
  assert.equal(before([reply("a"), reply("b")], 0), null);
  assert.equal(before([reply("a"), reply("b", { state: "cancelled" })], 1), "a");
  assert.equal(before([reply("a"), reply("b", { state: "pending" })], 1), null);
  assert.equal(before([reply("a", { state: "pending" }), reply("b")], 1), null);
  assert.equal(before([reply("a"), reply("b", { optimistic: true })], 1), null);
});

test("a version that failed is compared with none, and is passed over", () => {
  const failed = reply("b", { state: "failed", content: "" });
  assert.equal(before([reply("a"), failed], 1), null);
  assert.equal(before([reply("a"), failed, reply("c")], 2), "a");
  assert.equal(before([failed, reply("c")], 1), null);
});

test("questions, corrections and continued replies are not", () => {
  assert.equal(before([reply("a", { role: "user" }), reply("b", { role: "user" })], 1), null);
  assert.equal(before([reply("a"), reply("b", { corrects_id: "a" })], 1), null);
  assert.equal(before([reply("a", { corrects_id: "z" }), reply("b")], 1), null);
  assert.equal(before([reply("a"), reply("b", { continues_id: "a" })], 1), null);
  assert.equal(before([reply("a"), reply("b", { continues_id: "z" })], 1), "a");
});

test("what was said can be read again from the ranking, whichever reply is named first", () => {
  for (const step of ["better", "same", "worse"]) {
    const said = rankingOf("new", "old", step);
    assert.equal(stepOf(said, "new"), step);
    assert.equal(stepOf({ ...said, items: [...said.items].reverse() }, "new"), step);
  }
  assert.equal(stepOf(null, "new"), null);
  assert.equal(stepOf({ ...rankingOf("new", "old", "same"), both_bad: true }, "new"), null);
});
