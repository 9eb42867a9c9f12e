import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { OpenConversation } from "../../frontends/gradio/static/conversation/open_conversation.js";
import { FakeDocument, FakeEventSource, fakeApp, message, turn } from "./fakes.js";

const RECORD = { id: "c1", title: "Hi", leaf_id: "a1", sampling: {}, updated_at: "2026-01-01T00:00:00Z" };
const MESSAGES = [message("q1", null), message("a1", "q1", { rating: null })];

let app, drawn, conversation, loads;

beforeEach(() => {
  globalThis.document = new FakeDocument();
  globalThis.EventSource = FakeEventSource;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  loads = [];
  drawn = { renders: 0, patches: [] };
  app = fakeApp({ conversationId: "c1" });
  app.api = {
    get: async (path) => {
      loads.push(path);
      return { ...RECORD, messages: MESSAGES };
    },
  };
  conversation = new OpenConversation(app, {
    clear: () => {},
    rename: () => {},
    arrive: () => {},
    announce: () => {},
    queued: () => {},
    render: () => (drawn.renders += 1),
    patch: (id, blocks) => drawn.patches.push([id, blocks]),
  });
});

const server = (...event) => FakeEventSource.last.send(...event);

/** Open c1 as the server answers: a snapshot, then the messages. */
async function opened() {
  conversation.open("c1");
  server("snapshot", { running: [] }, "e-1");
  await turn();
  app.emitted.length = 0;
  drawn.renders = 0;
}

test("opening loads the messages once, however slow the stream is", async () => {
  await opened();
  mock.timers.tick(5000);
  await turn();
  assert.deepEqual(loads, ["/ui/conversations/c1"]);
  assert.deepEqual(
    conversation.tree.path().map(({ id }) => id),
    ["q1", "a1"],
  );
});

test("events that come while the messages are loaded are told after them", async () => {
  conversation.open("c1");
  server("snapshot", { running: [{ message_id: "a2", blocks: [{ index: 0, html: "<p>x</p>" }] }] });
  server("message", { message: message("a2", "q1", { state: "pending", created_at: "2026-01-02" }) });
  assert.equal(conversation.tree.get("a2"), undefined);
  await turn();
  assert.equal(conversation.tree.leaf, "a2");
  assert.equal(drawn.patches[0][0], "a2");
});

test("a stream that goes on where it was interrupted does not load all messages again", async () => {
  await opened();
  server("message", { message: message("q2", "a1") }, "e-2");
  server("snapshot", { running: [{ message_id: "a2", blocks: [{ index: 0, html: "<p>x</p>" }] }] }, "e-2");
  await turn();
  assert.equal(loads.length, 1);
  assert.equal(drawn.patches.length, 1);
  assert.equal(conversation.tree.leaf, "q2");
});

test("after a reset, the snapshot that follows loads them again, on the same stream", async () => {
  await opened();
  server("reset", {}, "f-0");
  server("snapshot", { running: [] }, "f-0");
  await turn();
  assert.equal(loads.length, 2);
  assert.equal(FakeEventSource.last.closed, false);
});

test("another version that is shown changes the record and does not reload the list", async () => {
  await opened();
  server("updated", { conversation: { ...RECORD, leaf_id: "a2" } });
  assert.equal(app.count("conversation-updated"), 1);
  assert.equal(app.count("list-changed"), 0);
});

test("a record that is told twice is news once", async () => {
  await opened();
  for (let n = 0; n < 2; n += 1) server("updated", { conversation: { ...RECORD, title: "New" } });
  assert.equal(app.count("conversation-updated"), 1);
});

test("a click on a thumb, the answer to it and the event draw once", async () => {
  await opened();
  const rating = { verdict: "up", reasons: [], comment: "", score: null };
  app.api.put = async () => rating;
  const given = conversation.ratings.give("a1", "up");
  server("rated", { message_id: "a1", rating });
  await given;
  server("rated", { message_id: "a1", rating });
  assert.equal(drawn.renders, 1);
  server("rated", { message_id: "a1", rating: { verdict: "retracted" } });
  assert.equal(drawn.renders, 2);
  assert.equal(conversation.tree.get("a1").rating, null);
});

test("what others add to a rating is shown, and what is older than an own click is not", async () => {
  await opened();
  server("rated", { message_id: "a1", rating: { verdict: "down", reasons: ["wrong"], comment: "no" } });
  assert.equal(conversation.tree.get("a1").rating.comment, "no");
  app.api.put = async () => ({ verdict: "retracted" });
  const withdrawn = conversation.ratings.withdraw("a1", { reasons: [], comment: "" });
  server("rated", { message_id: "a1", rating: { verdict: "down", reasons: [], comment: "late" } });
  assert.equal(conversation.tree.get("a1").rating, null);
  await withdrawn;
  assert.equal(conversation.tree.get("a1").rating, null);
});

test("a finished reply is drawn once", async () => {
  await opened();
  server("message", { message: message("a2", "q1", { state: "pending", created_at: "2026-01-02" }) });
  drawn.renders = 0;
  server("finished", { message_id: "a2", message: message("a2", "q1", { created_at: "2026-01-02" }) });
  assert.equal(drawn.renders, 1);
});

test("what another tab asks below the message that is shown is followed", async () => {
  await opened();
  server("message", { message: message("q2", "a1", { created_at: "2026-01-03" }) });
  assert.equal(conversation.tree.leaf, "q2");
  server("message", { message: message("q9", null, { created_at: "2026-01-04" }) });
  assert.equal(conversation.tree.leaf, "q2");
});

test("a conversation that is opened after another ignores what comes for the former one", async () => {
  conversation.open("c1");
  const former = FakeEventSource.last;
  conversation.open("c2");
  former.send("updated", { conversation: { ...RECORD, title: "late" } });
  assert.equal(app.state.conversation, null);
  assert.equal(former.closed, true);
});

test("no reply runs in a chat that was deleted elsewhere, and it is not loaded again", async () => {
  await opened();
  server("message", { message: message("a2", "q1", { state: "pending", created_at: "2026-01-02" }) });
  assert.equal(conversation.running.id, "a2");
  app.emitted.length = 0;
  const { optimistic } = conversation;
  server("deleted");
  assert.equal(conversation.running, undefined);
  assert.deepEqual(
    app.emitted.filter(([name]) => name === "running"),
    [["running", null]],
  );
  assert.notEqual(conversation.optimistic, optimistic); // an answer that is still under way is not drawn
  mock.timers.tick(5000);
  await turn();
  assert.equal(loads.length, 1);
});
