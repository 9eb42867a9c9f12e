import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ApiError } from "../../frontends/gradio/static/page/api.js";
import { ChangeSaver } from "../../frontends/gradio/static/settings/change_saver.js";
import { deferred, turn } from "./fakes.js";

let saver, requests, told;

beforeEach(() => {
  requests = [];
  told = [];
  saver = new ChangeSaver({
    save: (changes) => {
      const answer = deferred();
      requests.push({ changes, ...answer });
      return answer.promise;
    },
    saved: () => told.push("saved"),
    failed: (error) => told.push(error.message),
    refused: (parts) => told.push(`${parts} given up`),
  });
});

test("one request at a time; what changes meanwhile is sent together next", async () => {
  saver.put({ a: 1 });
  saver.put({ a: 2 });
  saver.put({ b: 3 });
  assert.deepEqual(
    requests.map(({ changes }) => changes),
    [{ a: 1 }],
  );
  requests[0].resolve();
  await turn();
  assert.deepEqual(requests[1].changes, { a: 2, b: 3 });
  assert.deepEqual(told, []);
  requests[1].resolve();
  await turn();
  assert.deepEqual(told, ["saved"]);
});

test("it holds a part until the store has it", async () => {
  saver.put({ a: 1 });
  assert.deepEqual([saver.holds("a"), saver.holds("b")], [true, false]);
  requests[0].resolve();
  await turn();
  assert.equal(saver.holds("a"), false);
});

test("a failure followed by a newer change is made good by it", async () => {
  saver.put({ a: 1, b: 1 });
  saver.put({ a: 2 });
  requests[0].reject(new Error("lost"));
  await turn();
  assert.deepEqual(requests[1].changes, { a: 2, b: 1 });
  requests[1].resolve();
  await turn();
  assert.deepEqual(told, ["saved"]);
});

test("a failure is not tried again by itself, and nothing of it is lost", async () => {
  saver.put({ a: 1 });
  requests[0].reject(new Error("lost"));
  await turn();
  assert.deepEqual([requests.length, told, saver.holds("a")], [1, ["lost"], true]);
  saver.put({ b: 2 });
  assert.deepEqual(requests[1].changes, { a: 1, b: 2 });
});

test("a refused change is given up, and told even if a newer one is saved", async () => {
  saver.put({ a: 1 });
  saver.put({ b: 2 });
  requests[0].reject(new ApiError("invalid_request", "refused", {}, 422));
  await turn();
  assert.deepEqual(requests[1].changes, { b: 2 });
  requests[1].resolve();
  await turn();
  assert.deepEqual(told, ["a given up", "refused"]);
  saver.retry();
  assert.equal(requests.length, 2);
});
