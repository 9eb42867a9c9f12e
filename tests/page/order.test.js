import assert from "node:assert/strict";
import { test } from "node:test";

import { move, orderOf, ranksOf, setRank, toggleTie } from "../../frontends/gradio/static/comparison/order.js";

/** "a=b c": a and b are equal, c is worse. */
function order(text) {
  return text.split(/(?=[ =])/).map((part) => ({ id: part.trim().replace("=", ""), tied: part.startsWith("=") }));
}

function text(places) {
  return places.map(({ id, tied }, at) => `${at === 0 ? "" : tied ? "=" : " "}${id}`).join("");
}

test("ranks leave no number out, and ties share one", () => {
  assert.deepEqual([...ranksOf(order("a=b c"))], [["a", 1], ["b", 1], ["c", 2]]);
  assert.deepEqual([...ranksOf(order("a b=c=d"))].map(([, rank]) => rank), [1, 2, 2, 2]);
});

test("an order begins as the replies were shown, or as they were ranked", () => {
  const items = [
    { message_id: "a", rank: null },
    { message_id: "b", rank: null },
  ];
  assert.equal(text(orderOf(items)), "a b");
  const ranked = [
    { message_id: "a", rank: 2 },
    { message_id: "b", rank: 1 },
    { message_id: "c", rank: 2 },
  ];
  assert.equal(text(orderOf(ranked)), "b a=c");
});

test("moving one up and down", () => {
  assert.equal(text(move(order("a b c"), "c", 0)), "c a b");
  assert.equal(text(move(order("a b c"), "a", 2)), "b c a");
  assert.equal(text(move(order("a b c"), "b", 9)), "a c b");
});

test("moving beyond the ends, or not at all, changes nothing", () => {
  const same = order("a b c");
  assert.equal(move(same, "a", -1), same);
  assert.equal(move(same, "c", 5), same);
});

test("who leaves a tie leaves the others equal, and who comes between equals is equal to them", () => {
  assert.equal(text(move(order("a=b=c d"), "a", 3)), "b=c d a");
  assert.equal(text(move(order("a=b=c d"), "b", 3)), "a=c d b");
  assert.equal(text(move(order("a=b c d"), "d", 1)), "a=d=b c");
});

test("moving within a tie keeps it", () => {
  assert.equal(text(move(order("a=b c"), "b", 0)), "b a c");
  assert.equal(text(move(order("a=b=c"), "c", 1)), "a=c=b");
});

test("the same number makes replies equal", () => {
  assert.equal(text(setRank(order("a b c"), "c", 1)), "a=c b");
  assert.equal(text(setRank(order("a b c"), "a", 3)), "b a=c");
  assert.equal(text(setRank(order("a=b c"), "b", 2)), "a b=c");
});

test("a tie is made and undone, but the first has none above it", () => {
  assert.equal(text(toggleTie(order("a b c"), "b")), "a=b c");
  assert.equal(text(toggleTie(order("a=b c"), "b")), "a b c");
  assert.equal(text(toggleTie(order("a b c"), "a")), "a b c");
});

test("no sequence of moves loses a reply or ties the first one", () => {
  let random = 7;
  const next = (below) => (random = (random * 48271) % 2147483647) % below;
  let now = order("a b c d");
  for (let n = 0; n < 2000; n += 1) {
    const id = "abcd"[next(4)];
    now = [move(now, id, next(6) - 1), setRank(now, id, next(4) + 1), toggleTie(now, id)][next(3)];
    assert.deepEqual(now.map((place) => place.id).sort(), ["a", "b", "c", "d"]);
    assert.equal(now[0].tied, false);
  }
});
