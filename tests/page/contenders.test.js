import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { CompareSetup } from "../../frontends/gradio/static/comparison/compare_setup.js";
import { contest, isPointless, parseSetup, SETTINGS } from "../../frontends/gradio/static/comparison/contenders.js";
import { contenderNames } from "../../frontends/gradio/static/comparison/contender_names.js";
import { fakeApp, FakeStorage, message } from "./fakes.js";

const SETUP = { ...parseSetup(null), second: "b" };
const model = (id, values = {}) => ({ id, title: id.toUpperCase(), state: "ready", fits: true, ...values });

let app, setup;

beforeEach(() => {
  globalThis.localStorage = new FakeStorage();
  app = fakeApp({ models: [model("a"), model("b", { state: "not_fetched" }), model("c"), model("d")] });
  Object.assign(app, { reference: () => "a", model: () => ({ default_sampling: {} }), settings: () => ({ sampling: {} }) });
  setup = new CompareSetup(app);
});

test("a setup is kept, and what a browser has of another version or a broken one is left out", () => {
  setup.change({ on: true, mode: "samples", samples: 4 });
  assert.deepEqual(new CompareSetup(app).setup, setup.setup);
  assert.deepEqual(app.emitted.at(-1), ["compare", setup.setup]);
  const usual = parseSetup(null);
  for (const broken of ["{", "null", '"x"', '{"mode": "x", "samples": 99, "settings": "toString", "on": 1, "second": 5}']) {
    assert.deepEqual(parseSetup(broken), usual);
  }
});

test("two models, blind as chosen", () => {
  const { contenders, blind, source } = contest({ ...SETUP, blind: false }, "a@q4+kind", {});
  assert.deepEqual(contenders, [{ model_id: "a@q4+kind" }, { model_id: "b" }]);
  assert.deepEqual([blind, source], [false, "side_by_side"]);
});

test("one model with other settings", () => {
  const { contenders } = contest({ ...SETUP, mode: "settings", settings: "coldest" }, "a", { temperature: 1 });
  assert.deepEqual(contenders, [{ model_id: "a" }, { model_id: "a", sampling: { temperature: 0 } }]);
});

test("samples are ranked, and a seed that the chat has does not make them the same", () => {
  const samples = { ...SETUP, mode: "samples", samples: 3 };
  assert.deepEqual(contest(samples, "a", {}), { contenders: Array(3).fill({ model_id: "a" }), blind: true, source: "ranking" });
  const seeds = contest(samples, "a", { seed: 2 ** 32 - 3 }).contenders.map((one) => one.sampling.seed);
  assert.deepEqual(seeds, [2 ** 32 - 3, 2 ** 32 - 2, 0]);
});

test("the second model is the chosen one where it can answer, else another that can", () => {
  assert.equal(setup.second(), "c");
  setup.change({ second: "d" });
  assert.equal(setup.second(), "d");
  setup.change({ second: "b" });
  assert.equal(setup.second(), "c");
  app.state.models = [model("a"), model("d", { fits: false })];
  assert.equal(setup.second(), null);
  assert.throws(() => setup.contest(), { code: "compare_needs_model" });
});

test("a model is not compared with itself", () => {
  setup.change({ second: "a" });
  assert.equal(setup.isPointless, true);
  assert.throws(() => setup.contest(), { code: "compare_same_model" });
  assert.equal(setup.contest({ mode: "samples", samples: 2 }).contenders.length, 2);
});

test("replies that can't differ are told before", () => {
  const samples = { ...SETUP, mode: "samples" };
  assert.equal(isPointless(samples, { temperature: 0 }, {}), true);
  assert.equal(isPointless(samples, { temperature: 0 }, { temperature: 0.5 }), false);
  const creative = { ...SETUP, mode: "settings", settings: "creative" };
  assert.equal(isPointless(creative, {}, SETTINGS.creative), true);
  assert.equal(isPointless(creative, SETTINGS.creative, { top_k: 1 }), false);
});

test("contenders are named by their models, else by the settings that differ, else not at all", () => {
  const reply = (id, model_id, sampling) => message(id, "q1", { model_id, provenance: { sampling } });
  assert.deepEqual(contenderNames(app, [reply("x", "a", {}), reply("y", "c", {})]), ["A", "C"]);
  const settings = [reply("x", "a", { temperature: 1, seed: 1 }), reply("y", "a", { temperature: 0, seed: 2 })];
  const texts = ["settings.set_temperature value=1", "settings.set_temperature value=0"];
  assert.deepEqual(contenderNames(app, settings), texts);
  const thinking = [reply("x", "a", { thinking: null }), reply("y", "a", { thinking: false })];
  assert.deepEqual(contenderNames(app, thinking), ["compare.thinking", "settings.set_thinking"]);
  assert.deepEqual(contenderNames(app, [reply("x", "a", { seed: 1 }), reply("y", "a", { seed: 2 })]), ["", ""]);
});
