import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { choiceOf, withChoice } from "../../frontends/gradio/static/comparison/judgement.js";
import { Rankings } from "../../frontends/gradio/static/comparison/rankings.js";
import { deferred, fakeApp, ranking, turn } from "./fakes.js";

const OPEN = ranking("a1", "b1");
const later = (value, seconds) => ({ ...value, created_at: `2026-01-01T00:00:0${seconds}Z` });

let app, sent, toasts, drawn, rankings;

beforeEach(() => {
  app = fakeApp();
  [sent, toasts, drawn] = [[], [], 0];
  const request = (method) => (path, body) => {
    const answer = deferred();
    sent.push({ asked: `${method} ${path}`, body, ...answer });
    return answer.promise;
  };
  app.api = { post: request("POST"), delete: request("DELETE") };
  app.toast = (text) => toasts.push(text);
  app.errorText = (error) => error.message;
  rankings = new Rankings(app, () => (drawn += 1));
  rankings.receive(OPEN);
});

/** The server has stored the latest request. */
async function store(values = {}) {
  const { body, resolve } = sent.at(-1);
  resolve(later({ ...OPEN, ...body, open: false, id: `stored-${sent.length}`, ...values }, sent.length));
  await turn();
}

test("a choice is shown before the server has answered, and sent once however often it is made", async () => {
  const first = rankings.choose(withChoice(OPEN, "right"));
  assert.equal(choiceOf(rankings.decidedAt("a1")), "right");
  assert.equal(rankings.openAt("a1"), null);
  const second = rankings.choose(withChoice(OPEN, "right"));
  await store();
  assert.deepEqual(await Promise.all([first, second]), [true, true]);
  assert.equal(sent.length, 1);
  assert.equal(rankings.decidedAt("b1").id, "stored-1");
});

test("a refused choice is told, and the replies wait for one again", async () => {
  const choice = rankings.choose(withChoice(OPEN, "left"));
  sent[0].reject(new Error("full"));
  assert.equal(await choice, false);
  assert.deepEqual(toasts, ["full"]);
  assert.equal(rankings.openAt("b1"), OPEN);
  assert.equal(rankings.decidedAt("b1"), null);
  assert.equal(drawn, 2);
});

test("events do not undo what is being sent, nor bring back what is older", async () => {
  const choice = rankings.choose(withChoice(OPEN, "left"));
  assert.equal(rankings.receive(later({ ...OPEN }, 5)), false);
  await store();
  await choice;
  assert.equal(rankings.receive(OPEN), false);
  assert.equal(choiceOf(rankings.decidedAt("a1")), "left");
  assert.equal(rankings.receive(later(withChoice(OPEN, "tie"), 7)), true);
  assert.equal(choiceOf(rankings.decidedAt("a1")), "tie");
});

test("choices that follow quickly are sent one after the other, and the last one counts", async () => {
  void rankings.choose(withChoice(OPEN, "left"));
  const last = rankings.choose(withChoice(OPEN, "tie"));
  assert.equal(sent.length, 1);
  await store();
  assert.equal(sent.length, 2);
  assert.equal(choiceOf(rankings.decidedAt("a1")), "tie");
  await store();
  assert.equal(await last, true);
  assert.equal(choiceOf(rankings.decidedAt("a1")), "tie");
});

test("after a later choice was refused, the earlier one is shown again", async () => {
  void rankings.choose(withChoice(OPEN, "left"));
  const last = rankings.choose(withChoice(OPEN, "tie"));
  await store();
  sent.at(-1).reject(new Error("full"));
  await last;
  assert.equal(choiceOf(rankings.decidedAt("a1")), "left");
});

test("a choice that is still being sent is withdrawn by the id that it gets", async () => {
  void rankings.choose(withChoice(OPEN, "left"));
  const withdrawn = rankings.withdraw(rankings.decidedAt("a1"));
  await store();
  assert.equal(sent.at(-1).asked, "DELETE /api/rankings/stored-1");
  await store();
  assert.equal(await withdrawn, true);
  assert.equal(rankings.decidedAt("a1"), null);
  assert.equal(rankings.openAt("a1"), null);
});

test("what was withdrawn elsewhere before does not come back, whatever the server tells of it", async () => {
  const withdrawn = rankings.withdraw(OPEN);
  await store({ open: true, withdrawn: false });
  assert.equal(await withdrawn, true);
  assert.equal(rankings.openAt("a1"), null);
});

test("a withdrawn choice can be made again, with the places in which the replies were shown", async () => {
  const chosen = withChoice(OPEN, "left");
  void rankings.choose(chosen);
  await store();
  void rankings.withdraw(rankings.decidedAt("a1"));
  await store();
  void rankings.choose(chosen);
  assert.deepEqual(sent.at(-1).body, sent[0].body);
  await store();
  assert.equal(choiceOf(rankings.decidedAt("a1")), "left");
});

test("a reply that was compared twice belongs to the newer comparison", () => {
  const newer = later(ranking("a1", "c1", "d1"), 3);
  rankings.receive(newer);
  assert.equal(rankings.openAt("a1"), newer);
  assert.equal(rankings.openAt("b1"), OPEN);
});

test("what the server no longer lists was withdrawn elsewhere", () => {
  rankings.fill([{ ...withChoice(OPEN, "left"), open: false }]);
  assert.equal(choiceOf(rankings.decidedAt("a1")), "left");
  rankings.fill([]);
  assert.deepEqual([rankings.decidedAt("a1"), rankings.openAt("a1")], [null, null]);
});
