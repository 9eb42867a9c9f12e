import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ADVANCED_FIELDS,
  BASIC_FIELDS,
  overridesOf,
  presetOf,
  PRESETS,
  readNumber,
  readSeed,
  readStop,
  readSystemPrompt,
  readThinkingTokens,
  thinkingFor,
  valuesOf,
} from "../../frontends/gradio/static/settings/sampling.js";

const DEFAULTS = {
  temperature: 0.2,
  top_p: 0.9,
  top_k: 40,
  min_p: 0.05,
  repetition_penalty: 1.1,
  max_new_tokens: 512,
};
const field = (name) => [...BASIC_FIELDS, ...ADVANCED_FIELDS].find((one) => one.name === name);

test("a value is the conversation's, else the model's, else the usual one", () => {
  const values = valuesOf({ temperature: 0.2, seed: null }, { top_k: 20 });
  assert.deepEqual([values.top_k, values.temperature, values.top_p, values.seed], [20, 0.2, 0.9, null]);
  assert.deepEqual(values.stop, []);
});

test("what is no setting of the panel is left out", () => {
  assert.equal("ignore_eos" in valuesOf({ ignore_eos: true }, {}), false);
});

test("only what differs from the model's own sampling is an override", () => {
  const values = valuesOf(DEFAULTS, {});
  assert.deepEqual(new Set(Object.values(overridesOf(DEFAULTS, values))), new Set([null]));
  const changed = { temperature: 0.7, top_k: 20, seed: 7, stop: ["###"] };
  assert.deepEqual(overridesOf(DEFAULTS, { ...changed, top_p: 0.9 }), { ...changed, top_p: null });
});

test("a model's own stop sequences are no override", () => {
  const defaults = { ...DEFAULTS, stop: ["</s>"] };
  assert.deepEqual(overridesOf(defaults, { stop: ["</s>"] }), { stop: null });
  assert.deepEqual(overridesOf(defaults, { stop: [] }), { stop: [] });
});

test("presets are recognised by their values", () => {
  for (const [name, preset] of Object.entries(PRESETS)) assert.equal(presetOf(valuesOf(DEFAULTS, preset)), name);
  assert.equal(presetOf(valuesOf(DEFAULTS, { temperature: 0.33 })), null);
});

test("numbers out of range are brought into it", () => {
  assert.equal(readNumber(field("temperature"), "9"), 2);
  assert.equal(readNumber(field("top_p"), "0"), 0.01);
  assert.equal(readNumber(field("top_k"), "20.6"), 21);
  assert.equal(readNumber(field("temperature"), "0.15000000000000002"), 0.15);
});

test("what is no number is none", () => {
  for (const text of ["", " ", "-", "abc", "NaN", "Infinity"]) assert.equal(readNumber(field("top_p"), text), null);
});

test("a seed is a whole number that 32 bits hold, or empty", () => {
  assert.deepEqual(readSeed(" 42 "), { value: 42 });
  assert.deepEqual(readSeed("4294967294"), { value: 4294967294 });
  assert.deepEqual(readSeed("  "), { value: null });
  for (const text of ["-1", "x", "1.5", "1e3", "4294967295", "٣"]) {
    assert.deepEqual(readSeed(text), { problem: "settings.bad_seed" });
  }
});

test("stop sequences are lines, at most sixteen, of at most 128 characters", () => {
  assert.deepEqual(readStop("###\n\nUser:\n"), { value: ["###", "User:"] });
  assert.deepEqual(readStop("😀".repeat(128)), { value: ["😀".repeat(128)] });
  for (const text of ["x\n".repeat(17), "x".repeat(129)]) {
    assert.deepEqual(readStop(text), { problem: "settings.bad_stop" });
  }
});

test("a system prompt has as many characters as the server takes", () => {
  assert.deepEqual(readSystemPrompt("😀".repeat(20_000)), { value: "😀".repeat(20_000) });
  assert.deepEqual(readSystemPrompt("x".repeat(20_001)), { problem: "settings.long_system_prompt" });
});

test("thinking is an override only where it differs from the model's own", () => {
  const overrides = (defaults, wanted) => {
    return overridesOf(defaults, { thinking: thinkingFor(defaults, wanted) });
  };
  assert.deepEqual(overrides(DEFAULTS, true), { thinking: null });
  assert.deepEqual(overrides(DEFAULTS, false), { thinking: false });
  assert.deepEqual(overrides({ ...DEFAULTS, thinking: false }, false), { thinking: null });
  assert.deepEqual(overrides({ ...DEFAULTS, thinking: false }, true), { thinking: true });
});

test("a limit of the thinking is a whole number, or none", () => {
  assert.deepEqual(readThinkingTokens(" 512 "), { value: 512 });
  assert.deepEqual(readThinkingTokens(""), { value: null });
  for (const text of ["-1", "1.5", "32769", "many"]) {
    assert.deepEqual(readThinkingTokens(text), { problem: "settings.bad_thinking_tokens" });
  }
});
