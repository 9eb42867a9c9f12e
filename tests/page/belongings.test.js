import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { claimBrowser, leaveNothing } from "../../frontends/gradio/static/account/belongings.js";
import { keepDraft, keepTyped, readDraft, storeTyped } from "../../frontends/gradio/static/composer/drafts.js";
import { fakeApp, FakeStorage } from "./fakes.js";

let page, reloads;

beforeEach(() => {
  storeTyped();
  globalThis.localStorage = new FakeStorage();
  page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  reloads = 0;
  globalThis.location = { reload: () => (reloads += 1) };
});

const open = (id, login = true) => claimBrowser(fakeApp({ info: { login, user: { id } } }));
const happens = (type, values) => page.dispatchEvent(Object.assign(new Event(type), values));
const keys = () => [...localStorage.items.keys()].sort();

test("whoever comes back after their session has ended finds their text", () => {
  open("bob");
  keepDraft("c1", "not sent yet");
  open("bob");
  assert.equal(readDraft("c1"), "not sent yet");
});

test("whoever signs out leaves nothing but how the page looks", () => {
  open("bob");
  keepDraft("c1", "secret");
  keepTyped(null, "secret too");
  for (const key of ["parley.model", "parley.compare", "parley.theme"]) localStorage.setItem(key, "chosen");
  leaveNothing();
  storeTyped();
  assert.deepEqual(keys(), ["parley.theme"]);
});

test("somebody else finds nothing, also if the first one's session just ended", () => {
  open("bob");
  keepDraft(null, "secret");
  open("ann");
  assert.deepEqual([readDraft(null), localStorage.getItem("parley.person")], ["", "ann"]);
});

test("text from before there were people is the local user's, and nobody's who signs in first", () => {
  keepDraft(null, "mine");
  open("local", false);
  assert.equal(readDraft(null), "mine");
  localStorage.removeItem("parley.person");
  open("guest");
  assert.equal(readDraft(null), "");
});

test("signing out or in elsewhere opens the other tabs anew, and keeps nothing typed there", () => {
  open("bob");
  keepTyped(null, "secret");
  localStorage.removeItem("parley.person");
  happens("storage", { key: "parley.person" });
  storeTyped();
  assert.deepEqual([reloads, keys()], [1, []]);
});

test("the way back to a page from before signing out opens it anew; any other way back does not", () => {
  open("bob");
  happens("pageshow", { persisted: true });
  happens("storage", { key: "parley.theme" });
  assert.equal(reloads, 0);
  localStorage.setItem("parley.person", "ann");
  happens("pageshow", { persisted: false });
  assert.equal(reloads, 0);
  happens("pageshow", { persisted: true });
  assert.equal(reloads, 1);
});

test("without a login no tab is opened anew", () => {
  open("local", false);
  localStorage.removeItem("parley.person");
  happens("storage", { key: "parley.person" });
  assert.equal(reloads, 0);
});
