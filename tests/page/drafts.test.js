import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { keepDraft, keepTyped, readDraft, storeTyped } from "../../frontends/gradio/static/composer/drafts.js";
import { FakeStorage } from "./fakes.js";

beforeEach(() => {
  storeTyped();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.localStorage = new FakeStorage();
});

const stored = (id) => localStorage.getItem(`parley.draft.${id}`);

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

test("what is typed is not stored at every key, but soon, and at once when the page may end", () => {
  keepTyped("c1", "a");
  mock.timers.tick(600);
  localStorage.written = 0;
  for (const text of ["ab", "abc", "abcd"]) keepTyped("c1", text);
  assert.deepEqual([stored("c1"), localStorage.written], ["ab", 1]);
  mock.timers.tick(600);
  assert.deepEqual([stored("c1"), localStorage.written], ["abcd", 2]);
  keepTyped("c1", "abcde");
  storeTyped();
  assert.equal(stored("c1"), "abcde");
});

test("a text that was sent does not come back as what was typed before", () => {
  keepTyped("c1", "a");
  keepTyped("c1", "ab");
  keepDraft("c1", "");
  mock.timers.tick(600);
  assert.equal(stored("c1"), null);
});

test("what was typed in one conversation is stored when another one's draft is read or kept", () => {
  keepTyped("c1", "a");
  keepTyped("c1", "ab");
  assert.equal(readDraft("c2"), "");
  assert.equal(stored("c1"), "ab");
  keepTyped("c1", "abc");
  keepDraft("c2", "other");
  assert.deepEqual([stored("c1"), stored("c2")], ["abc", "other"]);
});

test("a browser that stores nothing is no reason to fail", () => {
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get() {
      throw new Error("SecurityError");
    },
  });
  keepTyped("c1", "a");
  storeTyped();
  keepDraft("c1", "b");
  assert.equal(readDraft("c1"), "");
  delete globalThis.localStorage;
});
