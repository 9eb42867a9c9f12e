import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { RepeatedClicks } from "../../frontends/gradio/static/page/repeated_clicks.js";

let clicks;

beforeEach(() => (clicks = new RepeatedClicks()));

/** A button in a message; `parent` is that message's parent. */
function control(act, parent, attribute) {
  const article = parent && { dataset: { parent } };
  const closest = (selector) => (selector === "article" ? article : element);
  const element = { dataset: { act }, closest, hasAttribute: (name) => name === attribute };
  return element;
}

test("the second half of a double click does not close what the first has opened", () => {
  const picker = control(undefined, undefined, "aria-haspopup");
  assert.equal(click(picker, 0), false);
  assert.equal(click(picker, 150), true);
  assert.equal(click(picker, 2000), false);
});

const text = { closest: () => null };
const click = (target, timeStamp, values = {}) =>
  clicks.isStray({ target, timeStamp, clientX: 100, clientY: 100, detail: 1, ...values });

test("the second click of a double click does not press what came under the pointer", () => {
  assert.equal(click(control("regenerate", "q1"), 0), false);
  assert.equal(click(control("up", "q1"), 200), true);
});

test("not even the same button of another message", () => {
  click(control("up", "q1"), 0);
  assert.equal(click(control("up", "q2"), 200), true);
});

test("the same button can be pressed quickly, also that of another version", () => {
  const toggle = control();
  click(toggle, 0);
  assert.equal(click(toggle, 100), false);
  click(control("next", "q1"), 2000);
  assert.equal(click(control("next", "q1"), 2100), false);
});

test("a button that does something else by now is another one", () => {
  const button = control("send");
  click(button, 0);
  button.dataset.act = "stop";
  assert.equal(click(button, 100), true);
});

test("later, elsewhere, or by keyboard it is meant", () => {
  const [one, other] = [control("copy", "q1"), control("up", "q1")];
  click(one, 0);
  assert.equal(click(other, 900), false);
  click(one, 2000);
  assert.equal(click(other, 2100, { clientX: 140 }), false);
  click(one, 4000);
  assert.equal(click(other, 4100, { detail: 0 }), false);
});

test("after a key was pressed it is meant", () => {
  click(control("copy", "q1"), 0);
  clicks.forget();
  assert.equal(click(control("up", "q1"), 100), false);
});

test("a click on text after a button presses nothing, and a label's click goes on to its control", () => {
  click(control("copy", "q1"), 0);
  assert.equal(click(text, 100), false);
  assert.equal(click(control("up", "q1"), 200), true);
  const box = control();
  const label = { ...control(), control: box };
  label.closest = () => label;
  assert.equal(click(label, 2000), false);
  assert.equal(click(box, 2001), false);
});
