import assert from "node:assert/strict";
import { test } from "node:test";

import { textDiff } from "../../frontends/gradio/static/conversation/text_diff.js";

const told = (before, after) => textDiff(before, after).map(({ kind, text }) => `${{ same: "", removed: "-", added: "+" }[kind]}${text}`);
const side = (pieces, kind) =>
  pieces
    .filter((piece) => piece.kind === "same" || piece.kind === kind)
    .map(({ text }) => text)
    .join("");

test("words are compared, and the removed comes before the added", () => {
  assert.deepEqual(told("Tea at 100 degrees.", "Tea at 80 degrees."), ["Tea at ", "-100", "+80", " degrees."]);
  assert.deepEqual(told("It is not so.", "It is so."), ["It is ", "-not ", "so."]);
  assert.deepEqual(told("a b", "a x b y"), ["a ", "+x ", "b", "+ y"]);
});

test("Chinese is compared letter by letter", () => {
  assert.deepEqual(told("泡绿茶用一百度的水", "泡绿茶用八十度的水"), ["泡绿茶用", "-一百", "+八十", "度的水"]);
});

test("equal and empty texts", () => {
  assert.deepEqual(told("same", "same"), ["same"]);
  assert.deepEqual(told("", "new"), ["+new"]);
  assert.deepEqual(told("old", ""), ["-old"]);
  assert.deepEqual(told("", ""), []);
});

test("both texts can be put together again from the pieces", () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let run = 0; run < 300; run += 1) {
    const text = () => Array.from({ length: random(12) }, () => ["a", "b", " ", "茶", "\n", "👍"][random(6)]).join("");
    const [before, after] = [text(), text()];
    const pieces = textDiff(before, after);
    assert.equal(side(pieces, "removed"), before);
    assert.equal(side(pieces, "added"), after);
  }
});

test("long texts that have little in common are replaced as a whole, in a moment", () => {
  const before = Array.from({ length: 20000 }, (_, n) => `a${n}`).join(" ");
  const after = Array.from({ length: 20000 }, (_, n) => `b${n}`).join(" ");
  const pieces = textDiff(before, after);
  assert.equal(side(pieces, "removed"), before);
  assert.equal(side(pieces, "added"), after);
});
