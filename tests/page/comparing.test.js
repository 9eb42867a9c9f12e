/** A comparison from the question to the choice: which replies are shown, what follows them, what is sent. */
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { CompareActions } from "../../frontends/gradio/static/comparison/compare_actions.js";
import { winnerOf } from "../../frontends/gradio/static/comparison/judgement.js";
import { Actions } from "../../frontends/gradio/static/conversation/actions.js";
import { OpenConversation } from "../../frontends/gradio/static/conversation/open_conversation.js";
import { ApiError } from "../../frontends/gradio/static/page/api.js";
import { pageHistory } from "../../frontends/gradio/static/page/page_history.js";
import { deferred, FakeDocument, FakeEventSource, fakeApp, message, ranking, turn } from "./fakes.js";

const PENDING = { state: "pending" };
const CONTEST = { contenders: [{ model_id: "a" }, { model_id: "b" }], blind: true, source: "side_by_side" };
const RECORD = { id: "c1", title: "", leaf_id: "a0", sampling: {}, updated_at: "2026-01-01T00:00:00Z" };
const BEFORE = [message("q0", null), message("a0", "q0")];
// The one on the left is not the first one that was created.
const OPEN = ranking("b1", "a1");
const STARTED = { question: message("q1", "a0"), replies: [message("b1", "q1", PENDING), message("a1", "q1", PENDING)], ranking: OPEN };

let app, requests, conversation, actions, comparing;

beforeEach(async () => {
  globalThis.document = new FakeDocument();
  globalThis.EventSource = FakeEventSource;
  globalThis.matchMedia = () => ({ matches: false });
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  requests = [];
  const request = (method) => (path, body) => {
    const answer = deferred();
    requests.push({ asked: `${method} ${path}`, body, ...answer });
    return answer.promise;
  };
  const methods = ["get", "post", "patch", "put", "delete"];
  app = Object.assign(fakeApp({ conversationId: "c1" }), {
    api: Object.fromEntries(methods.map((name) => [name, request(name.toUpperCase())])),
    toasts: [],
    toast: (text) => app.toasts.push(text),
    settingsSaved: async () => {},
    missingModel: () => null,
    errorText: ({ code }) => code,
  });
  const nothing = ["clear", "rename", "arrive", "announce", "queued", "patch", "render", "follow", "hold", "say", "keepClear"];
  const view = Object.fromEntries(nothing.map((name) => [name, () => {}]));
  Object.assign(view, { comparison: { focus() {}, reveal() {}, keepClear() {} }, verdicts: {}, better: {}, corrections: {} });
  conversation = new OpenConversation(app, view);
  actions = new Actions(app, conversation, view);
  comparing = new CompareActions(app, { conversation, actions, view, setup: { contest: () => CONTEST } });
  conversation.open("c1");
  server("snapshot", { running: [] });
  await answer("GET /ui/conversations/c1", { ...RECORD, messages: BEFORE });
});

const server = (...event) => FakeEventSource.last.send(...event);
const asked = (what) => requests.filter((one) => one.asked.startsWith(what));
const shown = () => conversation.comparison?.messages.map((one) => one?.id ?? null) ?? null;
const path = () => conversation.tree.path().map(({ id }) => id);

/** Answer the latest request whose method and path are `wanted`. */
async function answer(wanted, value) {
  const request = requests.findLast((one) => one.asked === wanted);
  if (value instanceof Error) request.reject(value);
  else request.resolve(value);
  await turn();
}

async function started() {
  const sent = comparing.ask("Hi");
  await turn();
  await answer("POST /api/conversations/c1/compare", STARTED);
  await sent;
}

const end = (...ids) => ids.forEach((id) => server("finished", { message_id: id, message: message(id, "q1") }));

async function chosen(choice = "right") {
  await started();
  end("a1", "b1");
  comparing.choose(choice);
  const { body } = asked("POST /api/rankings").at(-1);
  await answer("POST /api/rankings", { ...OPEN, ...body, open: false, id: "r2", created_at: "2026-01-01T00:00:01Z" });
}

test("the replies are asked for together, and columns wait for them at once, nameless", async () => {
  const sent = comparing.ask("Hi");
  assert.deepEqual(shown(), [null, null]);
  assert.equal(conversation.comparison.isMasked, true);
  await turn();
  assert.deepEqual(asked("POST").map((one) => one.body), [{ parent_id: "a0", content: "Hi", ...CONTEST }]);
  server("message", { message: STARTED.question });
  for (const reply of STARTED.replies) server("message", { message: reply });
  assert.deepEqual(shown(), [null, null]); // nobody knows yet which one is left
  server("ranked", { ranking: OPEN });
  assert.deepEqual(shown(), ["b1", "a1"]);
  await answer("POST /api/conversations/c1/compare", STARTED);
  await sent;
  assert.deepEqual(shown(), ["b1", "a1"]);
  assert.deepEqual(path(), ["q0", "a0", "q1", "b1"]);
});

test("a refused comparison leaves the conversation as it was", async () => {
  const refused = assert.rejects(comparing.ask("Hi"));
  await turn();
  await answer("POST /api/conversations/c1/compare", new ApiError("model_not_found", "", {}, 404));
  await refused;
  assert.equal(shown(), null);
  assert.deepEqual(path(), ["q0", "a0"]);
});

test("it runs until the last reply has ended, and a stop ends all that still run", async () => {
  await started();
  assert.equal(conversation.allRunning.length, 2);
  end("b1");
  assert.equal(conversation.running.id, "a1");
  void actions.stop();
  assert.deepEqual(asked("POST /api/messages").map((one) => one.asked), ["POST /api/messages/a1/stop"]);
  end("a1");
  assert.equal(conversation.running, undefined);
});

test("a stop before the replies have ids stops all of them", async () => {
  const sent = comparing.ask("Hi");
  await actions.stop();
  await turn();
  await answer("POST /api/conversations/c1/compare", STARTED);
  await sent;
  assert.deepEqual(asked("POST /api/messages").map((one) => one.asked), ["POST /api/messages/b1/stop", "POST /api/messages/a1/stop"]);
});

test("it is there after a reload, in the same order, whichever reply the server calls the leaf", async () => {
  conversation.open("c1");
  server("snapshot", { running: [] });
  const replies = STARTED.replies.map((reply) => ({ ...reply, state: "complete" }));
  const messages = [...BEFORE, STARTED.question, ...replies];
  await answer("GET /ui/conversations/c1", { ...RECORD, leaf_id: "a1", rankings: [OPEN], messages });
  assert.deepEqual(shown(), ["b1", "a1"]);
  assert.equal(conversation.tree.leaf, "b1");
});

test("the winner is the branch, also for the next visit, and the line tells of the choice", async () => {
  await chosen("right");
  assert.equal(shown(), null);
  assert.deepEqual(path(), ["q0", "a0", "q1", "a1"]);
  assert.deepEqual(asked("PATCH").map((one) => one.body), [{ leaf_id: "a1" }]);
  const [verdict, messages] = conversation.comparing.verdictOn("b1");
  assert.equal(winnerOf(verdict), "a1");
  assert.deepEqual(messages.map(({ id }) => id), ["b1", "a1"]);
});

test("with a tie, and where both are bad, the left one is shown", async () => {
  for (const choice of ["tie", "both_bad"]) {
    await chosen(choice);
    assert.equal(conversation.tree.leaf, "b1");
    conversation.comparing.rankings.known.clear();
  }
});

test("a choice that can't be stored is undone: the replies are side by side again", async () => {
  await started();
  end("a1", "b1");
  comparing.choose("right");
  await answer("POST /api/rankings", new ApiError("store_full", "", {}, 507));
  assert.deepEqual(app.toasts, ["store_full"]);
  assert.deepEqual(shown(), ["b1", "a1"]);
});

test("a skipped comparison is withdrawn, and its left reply stays", async () => {
  await started();
  end("a1", "b1");
  comparing.skip();
  assert.deepEqual(asked("DELETE").map((one) => one.asked), [`DELETE /api/rankings/${OPEN.id}`]);
  assert.equal(shown(), null);
  assert.equal(conversation.tree.leaf, "b1");
  for (const id of ["a1", "b1"]) assert.equal(conversation.comparing.regenerated(conversation.tree.get(id)), null);
});

test("where a reply fails there is nothing to choose, and the conversation goes on with the other one", async () => {
  await started();
  const failed = message("b1", "q1", { state: "failed", content: "" });
  server("error", { message: failed, error: { code: "generation_failed" } });
  end("a1");
  assert.deepEqual(shown(), ["b1", "a1"]);
  assert.deepEqual(path(), ["q0", "a0", "q1", "a1"]);
  comparing.skip();
  assert.equal(shown(), null);
  assert.equal(conversation.tree.leaf, "a1");
});

test("who asks on without a choice follows the left reply, and the comparison is over once that is stored", async () => {
  await started();
  end("a1", "b1");
  const sent = actions.send("More");
  await turn();
  assert.equal(asked("POST /api/conversations/c1/messages")[0].body.parent_id, "b1");
  assert.deepEqual(asked("DELETE"), []);
  await answer("POST /api/conversations/c1/messages", {
    question: message("q2", "b1"),
    reply: message("a2", "q2", PENDING),
  });
  await sent;
  assert.equal(asked("DELETE").length, 1);
  assert.deepEqual(path(), ["q0", "a0", "q1", "b1", "q2", "a2"]);
});

test("a choice made in another tab is shown here", async () => {
  await started();
  end("a1", "b1");
  const items = OPEN.items.map((item, at) => ({ ...item, rank: 2 - at }));
  server("ranked", { ranking: { ...OPEN, items, open: false, created_at: "2026-01-01T00:00:01Z" } });
  assert.equal(shown(), null);
  assert.equal(conversation.tree.leaf, "a1");
});

test("a choice is changed among the same columns, with their names, and another winner takes the branch", async () => {
  await chosen("right");
  comparing.change("a1", { getBoundingClientRect: () => ({}) });
  assert.deepEqual(shown(), ["b1", "a1"]);
  assert.equal(conversation.comparison.isMasked, false);
  comparing.keep();
  assert.equal(shown(), null);
  comparing.change("a1", { getBoundingClientRect: () => ({}) });
  comparing.choose("left");
  assert.equal(conversation.tree.leaf, "b1");
  assert.equal(asked("POST /api/rankings").length, 2);
});

test("on a phone Back leaves a choice that is being changed as it is", async () => {
  globalThis.matchMedia = () => ({ matches: true });
  globalThis.history = { state: null, pushState: (state) => (history.state = state) };
  globalThis.addEventListener = (name, act) => name === "popstate" && (globalThis.back = act);
  pageHistory.listen(() => {});
  await chosen("right");
  comparing.change("a1", { getBoundingClientRect: () => ({}) });
  assert.deepEqual(history.state, { layers: 1 });
  history.state = null;
  globalThis.back();
  assert.equal(shown(), null);
  assert.equal(asked("POST /api/rankings").length, 1);
});

test("a change of mind about an earlier reply does not leave the conversation that follows it", async () => {
  await chosen("right");
  server("message", { message: message("q2", "a1") });
  comparing.change("a1", { getBoundingClientRect: () => ({}) });
  assert.deepEqual(shown(), ["b1", "a1"]);
  assert.equal(conversation.comparison.index, 3);
  comparing.choose("left");
  assert.equal(conversation.tree.leaf, "q2");
  assert.equal(winnerOf(conversation.comparing.verdictOn("a1")[0]), "b1");
});

test("a withdrawn choice can be taken back", async () => {
  let undo;
  app.toast = (text, { onAction }) => (undo = onAction);
  await chosen("right");
  const before = asked("POST /api/rankings").at(-1).body;
  void comparing.withdraw("a1");
  await answer("DELETE /api/rankings/r2", { ...OPEN, open: false, withdrawn: true, created_at: "2026-01-01T00:00:02Z" });
  assert.deepEqual(conversation.comparing.verdictOn("a1"), [null, []]);
  undo();
  assert.deepEqual(asked("POST /api/rankings").at(-1).body, before);
});

test("an earlier question is answered again side by side, and what was shown is back when that is refused", async () => {
  const again = actions.compareAgain(conversation.tree.get("q0"), CONTEST);
  assert.deepEqual(shown(), [null, null]);
  await turn();
  assert.deepEqual(asked("POST")[0].body, { message_id: "q0", ...CONTEST });
  await answer("POST /api/conversations/c1/compare", new ApiError("queue_full", "", {}, 503));
  await again;
  assert.deepEqual(app.toasts, ["queue_full"]);
  assert.deepEqual(path(), ["q0", "a0"]);
});
