import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { keepDraft, readDraft } from "../../frontends/gradio/static/composer/drafts.js";
import { FakeStorage } from "./fakes.js";

beforeEach(() => (globalThis.localStorage = new FakeStorage()));

test("each conversation has a draft of its own, and so has the next new one", () => {
  keepDraft("c1", "one");
  keepDraft(null, "new");
  assert.deepEqual([readDraft("c1"), readDraft("c2"), readDraft(null)], ["one", "", "new"]);
});

test("an empty draft leaves nothing behind", () => {
  keepDraft("c1", "one");
  keepDraft("c1", "");
  assert.equal(localStorage.items.size, 0);
});

test("a full store is no reason to fail: the text is still in the box", () => {
  localStorage.full = true;
  assert.doesNotThrow(() => keepDraft("c1", "one"));
  assert.equal(readDraft("c1"), "");
});
