import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { EventStream } from "../../frontends/gradio/static/conversation/event_stream.js";
import { FakeDocument, FakeEventSource } from "./fakes.js";

let told, stream;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.document = new FakeDocument();
  globalThis.EventSource = FakeEventSource;
  FakeEventSource.opened = [];
  told = [];
  stream = new EventStream("/events", {
    event: (name, data) => told.push([name, data]),
    lost: () => told.push("lost"),
    back: () => told.push("back"),
  });
});

const source = () => FakeEventSource.last;

test("events are passed on with their data", () => {
  source().send("message", { message: { id: "q1" } }, "e-1");
  source().send("error", { message_id: "a1" }, "e-2"); // the server's own: the browser's has no data
  assert.deepEqual(told, [
    ["message", { message: { id: "q1" } }],
    ["error", { message_id: "a1" }],
  ]);
});

test("a lost stream is opened again where it was", () => {
  source().send("message", {}, "e-7");
  source().fail();
  assert.equal(source().closed, true);
  mock.timers.tick(300);
  assert.equal(source().url, "./events?last_event_id=e-7");
});

test("one failure is not worth telling, two are, and so is the way back", () => {
  source().fail();
  mock.timers.tick(300);
  assert.deepEqual(told, []);
  source().fail();
  assert.deepEqual(told, ["lost"]);
  mock.timers.tick(700);
  source().onopen();
  assert.deepEqual(told, ["lost", "back"]);
});

test("each failure waits longer, up to five seconds", () => {
  for (const wait of [300, 700, 1500, 3000, 5000, 5000]) {
    const opened = FakeEventSource.opened.length;
    source().fail();
    mock.timers.tick(wait - 1);
    assert.equal(FakeEventSource.opened.length, opened);
    mock.timers.tick(1);
    assert.equal(FakeEventSource.opened.length, opened + 1);
  }
});

test("a hidden tab gives its connection back, and takes one when it is shown", () => {
  document.show(false);
  mock.timers.tick(3999);
  assert.equal(source().closed, false);
  mock.timers.tick(1);
  assert.equal(source().closed, true);
  document.show(true);
  assert.equal(FakeEventSource.opened.length, 2);
});

test("a tab that is hidden for a moment keeps its connection", () => {
  document.show(false);
  mock.timers.tick(1000);
  document.show(true);
  mock.timers.tick(10_000);
  assert.equal(FakeEventSource.opened.length, 1);
  assert.equal(source().closed, false);
});

test("a hidden tab does not try again until it is shown", () => {
  document.show(false);
  source().fail();
  mock.timers.tick(60_000);
  assert.equal(FakeEventSource.opened.length, 1);
  document.show(true);
  assert.equal(FakeEventSource.opened.length, 2);
});

test("a closed stream stays closed", () => {
  source().fail();
  stream.close();
  mock.timers.tick(60_000);
  document.show(true);
  assert.equal(FakeEventSource.opened.length, 1);
});
