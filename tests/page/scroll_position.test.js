import assert from "node:assert/strict";
import { test } from "node:test";

import { isNearEnd, staysAtEnd } from "../../frontends/gradio/static/conversation/scroll_position.js";

const at = (scrollTop, scrollHeight = 2000) => ({ scrollTop, scrollHeight, clientHeight: 500 });

test("the end is near within a few lines", () => {
  assert.equal(isNearEnd(at(1500)), true);
  assert.equal(isNearEnd(at(1460)), true);
  assert.equal(isNearEnd(at(1400)), false);
});

test("a reader who scrolls up is left alone", () => {
  assert.equal(staysAtEnd(true, at(1300), 1500), false);
});

test("text that grows below is no scrolling of the reader's", () => {
  assert.equal(staysAtEnd(true, at(1500, 2400), 1500), true);
});

test("scrolling down follows again only at the end", () => {
  assert.equal(staysAtEnd(false, at(1300), 1000), false);
  assert.equal(staysAtEnd(false, at(1490), 1300), true);
});
