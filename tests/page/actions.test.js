import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Actions } from "../../frontends/gradio/static/conversation/actions.js";
import { OpenConversation } from "../../frontends/gradio/static/conversation/open_conversation.js";
import { ApiError } from "../../frontends/gradio/static/page/api.js";
import { deferred, FakeDocument, FakeEventSource, fakeApp, message, turn } from "./fakes.js";

const RECORD = { title: "", leaf_id: null, sampling: {}, updated_at: "2026-01-01T00:00:00Z" };
const ANSWER = { question: message("q1", null), reply: message("a1", "q1", { state: "pending" }) };

let app, requests, conversation, actions;

beforeEach(() => {
  globalThis.document = new FakeDocument();
  globalThis.EventSource = FakeEventSource;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  requests = [];
  const request = (method) => (path) => {
    const answer = deferred();
    requests.push({ asked: `${method} ${path}`, ...answer });
    return answer.promise;
  };
  app = Object.assign(fakeApp(), {
    api: { get: request("GET"), post: request("POST"), delete: request("DELETE") },
    settingsSaved: async () => {},
    missingModel: () => null,
    newConversation: () => ({}),
    errorText: ({ code }) => code,
    created: ({ id }) => (app.state.conversationId = id),
    open: (id) => {
      app.state.conversationId = id;
      conversation.open(id);
    },
  });
  const view = { clear() {}, rename() {}, arrive() {}, announce() {}, queued() {}, render() {}, follow() {} };
  conversation = new OpenConversation(app, view);
  actions = new Actions(app, conversation, view);
  conversation.open(null);
});

const asked = (method) => requests.map((one) => one.asked).filter((one) => one.startsWith(method));

/** Answer the latest request whose method and path are `wanted`. */
async function answer(wanted, value) {
  const request = requests.findLast((one) => one.asked === wanted);
  if (value instanceof Error) request.reject(value);
  else request.resolve(value);
  await turn();
}

test("another chat opened before the new one has its id stays open, and the question goes to the new one", async () => {
  const sent = actions.send("Hi");
  app.open("other");
  await answer("POST /api/conversations", { ...RECORD, id: "new" });
  assert.equal(conversation.id, "other");
  assert.equal(app.state.conversationId, "other");
  await answer("POST /api/conversations/new/messages", ANSWER);
  await sent;
  assert.deepEqual(conversation.tree.path(), []);
  assert.equal(app.count("list-changed"), 1);
});

test("a refused first question removes its own chat, not the one that was opened meanwhile", async () => {
  const refused = assert.rejects(actions.send("Hi"));
  await answer("POST /api/conversations", { ...RECORD, id: "new" });
  app.open("other");
  await answer("POST /api/conversations/new/messages", new ApiError("not_enough_memory", "", {}, 503));
  assert.deepEqual(asked("DELETE"), ["DELETE /api/conversations/new"]);
  await answer("DELETE /api/conversations/new", {});
  await refused;
  assert.equal(conversation.id, "other");
});

test("a refused first question goes back to the welcome screen", async () => {
  const refused = assert.rejects(actions.send("Hi"));
  await answer("POST /api/conversations", { ...RECORD, id: "new" });
  await answer("POST /api/conversations/new/messages", new ApiError("queue_full", "", {}, 503));
  await answer("DELETE /api/conversations/new", {});
  await refused;
  assert.equal(conversation.id, null);
});

test("a reply that is stopped before it has an id is stopped in its chat, whatever is open then", async () => {
  const sent = actions.send("Hi");
  await actions.stop();
  app.open("other");
  await answer("POST /api/conversations", { ...RECORD, id: "new" });
  await answer("POST /api/conversations/new/messages", ANSWER);
  await sent;
  assert.deepEqual(asked("POST").at(-1), "POST /api/messages/a1/stop");
});

test("a stop ends one reply only", async () => {
  const first = actions.send("Hi");
  await actions.stop();
  await answer("POST /api/conversations", { ...RECORD, id: "new" });
  await answer("POST /api/conversations/new/messages", ANSWER);
  await first;
  const stops = asked("POST /api/messages").length;
  const second = actions.send("More");
  await turn();
  await answer("POST /api/conversations/new/messages", {
    question: message("q2", "a1"),
    reply: message("a2", "q2", { state: "pending" }),
  });
  await second;
  assert.equal(asked("POST /api/messages").length, stops);
});

test("a question that is asked while its chat is loading follows the chat's last message", async () => {
  app.open("old");
  mock.timers.tick(1000);
  const sent = actions.send("And now?");
  await turn();
  assert.deepEqual(asked("POST"), []);
  const reply = message("a0", "q0");
  await answer("GET /ui/conversations/old", { ...RECORD, id: "old", leaf_id: "a0", messages: [message("q0", null), reply] });
  assert.deepEqual(asked("POST"), ["POST /api/conversations/old/messages"]);
  assert.equal(conversation.tree.path().at(-2).parent_id, "a0");
  await answer("POST /api/conversations/old/messages", {
    question: message("q1", "a0"),
    reply: message("a1", "q1", { state: "pending" }),
  });
  await sent;
});
