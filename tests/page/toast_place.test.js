import assert from "node:assert/strict";
import { test } from "node:test";

import { freePlace } from "../../frontends/gradio/static/widgets/toast_place.js";

const PHONE = { width: 390, height: 844 };
const TOAST = { width: 358, height: 60 };
const box = (top, bottom, left = 0, right = 390) => ({ top, bottom, left, right });
const COMPOSER = box(700, 844);

test("above the composer, however high that is", () => {
  assert.deepEqual(freePlace(TOAST, PHONE, COMPOSER, []), { bottom: 156 });
  assert.deepEqual(freePlace(TOAST, PHONE, box(400, 844), []), { bottom: 456 });
});

test("at the bottom where there is no composer", () => {
  assert.deepEqual(freePlace(TOAST, PHONE, null, []), { bottom: 12 });
});

test("at the top while something is open above the composer", () => {
  assert.deepEqual(freePlace(TOAST, PHONE, COMPOSER, [box(140, 690)]), { top: 12 });
});

test("something beside the toasts is not in their way", () => {
  assert.deepEqual(freePlace(TOAST, PHONE, COMPOSER, [box(500, 690, 0, 10)]), { bottom: 156 });
});

test("below a composer that has no room above it and a popover at the top", () => {
  assert.deepEqual(freePlace(TOAST, PHONE, box(60, 300), [box(20, 50)]), { bottom: 12 });
});

test("at the top where everything is taken", () => {
  assert.deepEqual(freePlace(TOAST, PHONE, COMPOSER, [box(0, 844)]), { top: 12 });
});
