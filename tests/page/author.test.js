import assert from "node:assert/strict";
import { test } from "node:test";

import { authorName } from "../../frontends/gradio/static/conversation/author.js";
import { fakeApp, message } from "./fakes.js";

const SELECTED = { id: "small", title: "Small" };
const app = { ...fakeApp({ models: [SELECTED] }), reference: () => SELECTED.id };

const named = (values) => authorName(app, message("a1", "q1", values));

test("a reply is named after the model that wrote it, also one that is gone", () => {
  assert.equal(named({ model_id: "small", imported_model: null }), "Small");
  assert.equal(named({ model_id: "gone", imported_model: null }), "gone");
});

test("an imported reply is never named after the model that happens to be selected", () => {
  assert.equal(named({ model_id: null, imported_model: "" }), "chat.imported");
  assert.equal(named({ model_id: null, imported_model: "gpt-4" }), "chat.imported_from model=gpt-4");
});

test("an unknown author is nobody", () => {
  assert.equal(named({ model_id: null, imported_model: null }), "chat.the_model");
});
