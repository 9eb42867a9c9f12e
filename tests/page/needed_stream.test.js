import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { NeededStream } from "../../frontends/gradio/static/page/needed_stream.js";
import { FakeDocument, FakeEventSource, turn } from "./fakes.js";

let wentTo;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.document = new FakeDocument();
  globalThis.EventSource = FakeEventSource;
  wentTo = null;
  globalThis.location = { search: "?c=01JDC3&view=people", assign: (url) => (wentTo = url) };
  new NeededStream({ path: () => "/api/jobs/events", names: [], isNeeded: () => true, onEvent: () => {} }).open();
});

const answer = (status, body) => (globalThis.fetch = async () => ({ ok: status < 400, status, text: async () => body }));

test("a stream that ends with the session leads to the login page, and back to the same chat", async () => {
  answer(401, JSON.stringify({ error: { code: "not_signed_in", message: "Sign in first." } }));
  FakeEventSource.last.fail();
  await turn();
  assert.equal(wentTo, "./login?next=c%3D01JDC3%26view%3Dpeople");
});

test("a stream that ends otherwise is opened again", async () => {
  answer(200, "{}");
  const first = FakeEventSource.last;
  first.fail();
  await turn();
  mock.timers.tick(5000);
  assert.deepEqual([wentTo, FakeEventSource.last === first], [null, false]);
});
