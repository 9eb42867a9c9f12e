import assert from "node:assert/strict";
import { test } from "node:test";

import { ReasoningText, reasoningTitle } from "../../frontends/gradio/static/conversation/reasoning_text.js";

test("pieces are joined, and what is there already is not added again", () => {
  const reasoning = new ReasoningText();
  assert.equal(reasoning.add({ text: "你好" }), "你好");
  assert.equal(reasoning.add({ offset: 2, text: "😀 a" }), "😀 a");
  assert.equal(reasoning.add({ offset: 0, text: "你好😀 ab" }), "b");
  assert.equal(reasoning.add({ offset: 1, text: "好😀" }), "");
  assert.equal(reasoning.text, "你好😀 ab");
});

test("the end of the reasoning is known once it was told", () => {
  const reasoning = new ReasoningText();
  reasoning.add({ text: "a" });
  assert.equal(reasoning.thinking_ms, null);
  reasoning.add({ offset: 1, text: "", thinking_ms: 800 });
  reasoning.add({ offset: 0, text: "a", thinking_ms: null });
  assert.equal(reasoning.thinking_ms, 800);
});

test("the title says that it goes on, how long it took, or neither", () => {
  const t = (key, values = {}) => [key, ...Object.values(values)].join(" ");
  const title = (thinking_ms, isRunning = false) => reasoningTitle(t, { isRunning, thinking_ms });
  assert.equal(title(null, true), "reasoning.running");
  assert.equal(title(null), "reasoning.title");
  assert.equal(title(8200, true), "reasoning.seconds 8");
  assert.equal(title(3), "reasoning.seconds 1");
  assert.equal(title(59_600), "reasoning.minutes 1 0");
  assert.equal(title(200_000), "reasoning.minutes 3 20");
});
