import assert from "node:assert/strict";
import { test } from "node:test";

import {
  asLoaded,
  bestReference,
  findModel,
  fullName,
  hasChoices,
  join,
  parts,
} from "../../frontends/gradio/static/models/reference.js";

const VARIANTS = [
  { id: "glm@fp16", name: "fp16", default: true, state: "ready", memory_bytes: 13e9, fits: false },
  { id: "glm@int8", name: "int8", default: false, state: "ready", memory_bytes: 8e9, fits: true },
  { id: "glm@nf4", name: "nf4", default: false, state: "loaded", memory_bytes: 5e9, fits: true },
];
const GLM = {
  id: "glm",
  title: "ChatGLM-6B",
  state: "ready",
  quantizations: VARIANTS,
  adapters: [{ name: "polite", title: "Polite" }],
};
const SMALL = { id: "small", title: "Small", state: "ready", memory_bytes: 1e8, fits: true };

test("a reference is read into its parts", () => {
  assert.deepEqual(parts("glm@nf4+polite"), { base: "glm", quantization: "nf4", adapter: "polite" });
  assert.deepEqual(parts("glm+polite"), { base: "glm", quantization: "", adapter: "polite" });
  assert.deepEqual(parts("glm"), { base: "glm", quantization: "", adapter: "" });
  for (const nothing of [null, undefined, "", "a@b@c"]) assert.equal(parts(nothing).base, "");
});

test("variant and adapter make a reference again", () => {
  assert.equal(join(VARIANTS[2], "polite"), "glm@nf4+polite");
  assert.equal(join(SMALL), "small");
});

test("a model is found by its id, whatever stands behind it", () => {
  assert.equal(findModel([SMALL, GLM], "glm@nf4+polite"), GLM);
  assert.equal(findModel([SMALL, GLM], null), undefined);
});

test("the best variant is the default where it fits, else the first that fits", () => {
  assert.equal(bestReference(GLM), "glm@int8");
  assert.equal(bestReference({ ...GLM, quantizations: VARIANTS.map((one) => ({ ...one, fits: true })) }), "glm@fp16");
  assert.equal(bestReference({ ...GLM, quantizations: VARIANTS.map((one) => ({ ...one, fits: false })) }), "glm@fp16");
  assert.equal(bestReference(SMALL), "small");
});

test("a model has the state of the variant that is asked for", () => {
  const { state, memory_bytes, fits } = asLoaded(GLM, "glm@nf4");
  assert.deepEqual([state, memory_bytes, fits], ["loaded", 5e9, true]);
  assert.equal(asLoaded(GLM, "glm@unknown").memory_bytes, 13e9);
  assert.equal(asLoaded({ ...GLM, state: "fetching" }, "glm@nf4").state, "fetching");
});

test("a name tells what differs from the usual", () => {
  assert.equal(fullName(GLM, "glm"), "ChatGLM-6B");
  assert.equal(fullName(GLM, "glm@fp16"), "ChatGLM-6B");
  assert.equal(fullName(GLM, "glm@nf4+polite"), "ChatGLM-6B · nf4 · Polite");
  assert.equal(fullName(GLM, "glm+gone"), "ChatGLM-6B · gone");
});

test("there are choices where there are several variants or an adapter", () => {
  assert.deepEqual([GLM, SMALL, { ...SMALL, adapters: [{}] }].map(hasChoices), [true, false, true]);
});
