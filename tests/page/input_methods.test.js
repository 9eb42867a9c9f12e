import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { hideInputMethodKeys } from "../../frontends/gradio/static/page/input_methods.js";

let page, seen;

beforeEach(() => {
  page = new EventTarget();
  seen = [];
  hideInputMethodKeys(page);
  page.addEventListener("keydown", (event) => seen.push(event.key));
});

const press = (key, values = {}) => {
  const plain = { key, keyCode: 0, isComposing: false };
  const event = Object.assign(new Event("keydown", { cancelable: true }), plain, values);
  page.dispatchEvent(event);
  return event;
};

test("a key that an input method uses reaches no part of the page, and stays the input method's", () => {
  for (const key of ["Escape", "Enter", "ArrowDown", "Delete"]) {
    assert.equal(press(key, { isComposing: true, keyCode: 229 }).defaultPrevented, false);
  }
  assert.deepEqual(seen, []);
});

test("in Safari the key that has ended a composition comes after its end", () => {
  press("Enter", { keyCode: 229 });
  assert.deepEqual(seen, []);
  press("Enter", { keyCode: 13 });
  assert.deepEqual(seen, ["Enter"]);
});
