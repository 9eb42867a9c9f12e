import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Ratings } from "../../frontends/gradio/static/conversation/ratings.js";
import { deferred, fakeApp, turn } from "./fakes.js";

const NOTHING = { reasons: [], comment: "", score: null };
const TOO_LONG = { reasons: ["too_long"], comment: "half of it would do", score: null };

let app, shown, sent, toasts, ratings;

beforeEach(() => {
  app = fakeApp();
  [shown, sent, toasts] = [{}, [], []];
  app.toast = (text) => toasts.push(text);
  app.errorText = (error) => error.message;
  app.api = {
    put: async (path, rating, options) => {
      sent.push([path, rating, options]);
      return { ...NOTHING, ...rating, message_id: "a1" };
    },
  };
  ratings = new Ratings(
    app,
    (id) => shown[id] ?? null,
    (id, rating) => (shown[id] = rating?.verdict === "retracted" ? null : rating),
  );
});

const verdicts = () => sent.map(([, rating]) => rating.verdict);

test("a thumb is shown before the server has answered, and sent once however often it is pressed", async () => {
  const first = ratings.give("a1", "up");
  assert.equal(shown.a1.verdict, "up");
  await Promise.all([first, ratings.give("a1", "up")]);
  await ratings.give("a1", "up");
  assert.deepEqual(verdicts(), ["up"]);
});

test("a rating outlives the page that sends it", async () => {
  await ratings.give("a1", "down");
  assert.deepEqual(sent[0][2], { keepalive: true });
});

test("a comment is sent once, and not at all without news", async () => {
  await ratings.give("a1", "down");
  assert.equal(await ratings.explain("a1", "down", NOTHING), "unchanged");
  assert.equal(await ratings.explain("a1", "down", TOO_LONG), "saved");
  assert.equal(await ratings.explain("a1", "down", TOO_LONG), "unchanged");
  assert.deepEqual(sent.at(-1)[1], { verdict: "down", ...TOO_LONG });
  assert.equal(sent.length, 2);
});

test("a page that is left twice, as hidden and as gone, sends a comment once and waits for nothing", async () => {
  const answer = deferred();
  app.api.put = (path, rating) => {
    sent.push([path, rating]);
    return answer.promise;
  };
  void ratings.give("a1", "down");
  void ratings.explain("a1", "down", TOO_LONG, { leaving: true });
  void ratings.explain("a1", "down", TOO_LONG, { leaving: true });
  assert.deepEqual(
    sent.map(([, rating]) => rating.comment),
    ["", TOO_LONG.comment],
  );
});

test("requests about a reply are sent in the order of the clicks", async () => {
  const answers = [];
  app.api.put = (path, rating) => {
    sent.push([path, rating]);
    answers.push(deferred());
    return answers.at(-1).promise;
  };
  void ratings.give("a1", "down");
  void ratings.explain("a1", "down", TOO_LONG);
  void ratings.give("a1", "up");
  assert.equal(sent.length, 1);
  for (let n = 0; n < 3; n += 1) {
    assert.equal(ratings.isSending("a1"), true);
    answers[n].resolve(sent[n][1]);
    await turn();
    assert.equal(shown.a1.verdict, "up");
  }
  assert.deepEqual(verdicts(), ["down", "down", "up"]);
  assert.equal(ratings.isSending("a1"), false);
});

test("a comment on a withdrawn rating revives nothing", async () => {
  await ratings.give("a1", "down");
  await ratings.withdraw("a1", NOTHING);
  assert.equal(await ratings.explain("a1", "down", TOO_LONG), "withdrawn");
  assert.equal(await ratings.explain("a1", "down", NOTHING), "unchanged");
  assert.deepEqual(verdicts(), ["down", "retracted"]);
  assert.equal(shown.a1, null);
});

test("a comment on a thumb that was turned elsewhere is not sent", async () => {
  shown.a1 = { verdict: "up", reasons: [], comment: "" };
  assert.equal(await ratings.explain("a1", "down", TOO_LONG), "withdrawn");
  assert.deepEqual(sent, []);
});

test("a box in which nothing was typed undoes nothing that was said or withdrawn elsewhere meanwhile", async () => {
  for (const now of [{ verdict: "down", reasons: [], comment: "newer" }, { verdict: "up", ...NOTHING }, null]) {
    shown.a1 = now;
    assert.equal(await ratings.explain("a1", "down", TOO_LONG, { opened: { ...TOO_LONG } }), "unchanged");
  }
  assert.deepEqual(sent, []);
});

test("what could not be saved is sent when its box is closed again", async () => {
  const { put } = app.api;
  await ratings.give("a1", "down");
  app.api.put = async () => Promise.reject(new Error("full"));
  await ratings.explain("a1", "down", TOO_LONG, { opened: NOTHING });
  app.api.put = put;
  assert.equal(await ratings.explain("a1", "down", TOO_LONG, { opened: TOO_LONG }), "saved");
});

test("undoing a withdrawal restores all of it, with what was typed and the score", async () => {
  shown.a1 = { verdict: "down", reasons: [], comment: "", score: 3 };
  const undo = await ratings.withdraw("a1", { ...TOO_LONG, score: 3 });
  assert.equal(shown.a1, null);
  await undo();
  assert.deepEqual(sent.at(-1)[1], { verdict: "down", ...TOO_LONG, score: 3 });
  await undo();
  assert.deepEqual(verdicts(), ["retracted", "down"]);
});

test("undoing a withdrawal leaves alone what was rated since", async () => {
  await ratings.give("a1", "down");
  const undo = await ratings.withdraw("a1", NOTHING);
  await ratings.give("a1", "up");
  await undo();
  assert.deepEqual(verdicts(), ["down", "retracted", "up"]);
});

test("what is refused is told and undone, and a comment is kept for the next time", async () => {
  const { put } = app.api;
  await ratings.give("a1", "down");
  app.api.put = async () => Promise.reject(new Error("full"));
  assert.equal(await ratings.explain("a1", "down", TOO_LONG), "failed");
  assert.deepEqual(toasts, ["full"]);
  assert.equal(shown.a1.comment, "");
  assert.deepEqual(ratings.entered("a1", "down"), TOO_LONG);
  assert.deepEqual(ratings.entered("a1", "up"), NOTHING);
  app.api.put = put;
  assert.equal(await ratings.explain("a1", "down", TOO_LONG), "saved");
  assert.deepEqual(ratings.entered("a1", "down"), TOO_LONG);
});

test("a comment on a thumb that could not be sent sends both", async () => {
  const { put } = app.api;
  app.api.put = async () => Promise.reject(new Error("full"));
  await ratings.give("a1", "down");
  assert.equal(shown.a1, null);
  app.api.put = put;
  assert.equal(await ratings.explain("a1", "down", TOO_LONG), "saved");
  assert.deepEqual(sent[0][1], { verdict: "down", ...TOO_LONG });
});

test("after several refusals, what the server has is shown again", async () => {
  shown.a1 = { verdict: "up", reasons: [], comment: "", score: null };
  app.api.put = async () => Promise.reject(new Error("full"));
  void ratings.give("a1", "down");
  await ratings.explain("a1", "down", TOO_LONG);
  await turn();
  assert.equal(shown.a1.verdict, "up");
});
