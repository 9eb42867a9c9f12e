/** Boxes for messages: what Enter does, how they grow, what is cut off their text. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { chooseEnter, isSendKey } from "../../frontends/gradio/static/widgets/enter_key.js";
import { grow, trimmed } from "../../frontends/gradio/static/widgets/text_area.js";
import { FakeStorage } from "./fakes.js";

let touch, fits;

beforeEach(() => {
  touch = fits = false;
  globalThis.localStorage = new FakeStorage();
  globalThis.matchMedia = (query) => ({ matches: query === "(pointer: coarse)" && touch });
  globalThis.CSS = { supports: () => fits };
  globalThis.getComputedStyle = (area) => ({ direction: area.value.startsWith("ש") ? "rtl" : "ltr" });
});

const sends = (values = {}) => isSendKey({ key: "Enter", ...values });

test("Enter sends, and with Shift or Alt it does not", () => {
  assert.deepEqual([sends(), sends({ shiftKey: true }), sends({ altKey: true })], [true, false, false]);
  assert.equal(isSendKey({ key: "a" }), false);
});

test("on a touch screen Enter begins a new line, and what was chosen counts anywhere", () => {
  touch = true;
  assert.equal(sends(), false);
  chooseEnter(true);
  assert.equal(sends(), true);
  touch = false;
  chooseEnter(false);
  assert.equal(sends(), false);
  assert.deepEqual([sends({ ctrlKey: true }), sends({ metaKey: true })], [true, true]);
});

/** A text area that counts how often its text is measured. */
function area(value) {
  return {
    value,
    dir: "auto",
    style: {},
    measured: 0,
    get scrollHeight() {
      this.measured += 1;
      return 40;
    },
  };
}

test("a box is as high as its text, where the browser doesn't see to that itself", () => {
  const box = area("one line");
  grow(box);
  assert.deepEqual([box.style.height, box.dir], ["40px", "auto"]);
  fits = true;
  const other = area("one line");
  grow(other);
  assert.deepEqual([other.measured, other.style], [0, {}]);
});

test("a long text is not measured, and its direction is looked up once", () => {
  for (const [text, direction] of [["x".repeat(100_000), "ltr"], ["ש".repeat(100_000), "rtl"]]) {
    const box = area(text);
    grow(box);
    assert.deepEqual([box.measured, box.dir], [0, direction]);
    globalThis.getComputedStyle = () => assert.fail("looked up again");
    grow(box);
    box.value = "short";
    grow(box);
    assert.deepEqual([box.style.height, box.dir], ["40px", "auto"]);
    globalThis.getComputedStyle = () => ({ direction: "rtl" });
  }
});

test("a text keeps the indent of its first line, and loses empty lines around it", () => {
  assert.equal(trimmed("    if x:\n        y\n\n"), "    if x:\n        y");
  assert.equal(trimmed("\n  \n\tindented \n"), "\tindented");
  assert.equal(trimmed("\u3000\u3000今天\n\n明天"), "\u3000\u3000今天\n\n明天");
  assert.equal(trimmed(" \n\t"), "");
});
