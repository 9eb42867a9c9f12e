import assert from "node:assert/strict";
import { test } from "node:test";

import { listQuery } from "../../frontends/gradio/static/feedback/review/list_query.js";
import { ReviewState } from "../../frontends/gradio/static/feedback/review/review_state.js";
import { deferred, turn } from "./fakes.js";

const listed = (id, decision = "open") => ({ id, decision, note: "" });

/** A review of pages of judgements, whose server remembers what it was asked. */
function reviewing(...pages) {
  const asked = [];
  const stored = [];
  const api = {
    refuses: null,
    get: async (path) => {
      asked.push(path);
      const at = Number(new URLSearchParams(path.split("?")[1]).get("cursor") ?? 0);
      return { items: pages[at], next_cursor: at + 1 < pages.length ? String(at + 1) : null };
    },
    put: async (path, body) => {
      if (api.refuses) throw api.refuses;
      stored.push([path.split("/").at(-2), body.decision, body.note]);
      return body;
    },
  };
  return { api, asked, stored, state: new ReviewState(api, () => {}) };
}

const ids = (state) => state.items.map(({ id }) => id).join("");
const decisions = (state) => state.items.map(({ id, decision }) => `${id} ${decision}`).join();

test("pages are read one after the other, and filters begin anew", async () => {
  const { state, asked } = reviewing([listed("a"), listed("b")], [listed("c")]);
  await state.load();
  assert.equal(ids(state), "ab");
  await state.more();
  await state.more();
  assert.equal(ids(state), "abc");
  assert.deepEqual(asked, ["/api/feedback/judgements?limit=50", "/api/feedback/judgements?cursor=1&limit=50"]);
  state.select("b");
  await state.load({ kind: "down", model: "" });
  assert.equal(asked.at(-1), "/api/feedback/judgements?kind=down&limit=50");
  assert.equal(state.isFiltered, true);
  assert.equal(state.current.id, "b");
});

test("days are those of the reader", () => {
  const query = new URLSearchParams(listQuery({ since: "2026-11-27", until: "2026-11-28" }, null));
  assert.equal(query.get("since"), new Date("2026-11-27T00:00:00").toISOString());
  assert.equal(query.get("until"), new Date("2026-11-28T23:59:59.999").toISOString());
});

test("a response that comes late changes nothing", async () => {
  const late = deferred();
  const { state, api } = reviewing([listed("a")]);
  const get = api.get;
  api.get = () => late.promise;
  const first = state.load({ kind: "up" });
  api.get = get;
  await state.load({ kind: "down" });
  late.resolve({ items: [listed("z")], next_cursor: null });
  await first;
  assert.equal(ids(state), "a");
});

test("a decision goes on to the next, and the last one can be taken back", async () => {
  const { state, stored } = reviewing([listed("a"), listed("b"), listed("c")]);
  await state.load();
  state.step(1);
  assert.equal(state.selected, "a");
  await state.decide("excluded", "a test");
  await state.decide("accepted");
  assert.equal(decisions(state), "a excluded,b accepted,c open");
  assert.equal(state.selected, "c");
  await state.undo();
  assert.equal(state.selected, "b");
  await state.undo();
  await state.undo();
  assert.equal(decisions(state), "a open,b open,c open");
  assert.deepEqual(stored, [["a", "excluded", "a test"], ["b", "accepted", ""], ["b", "open", ""], ["a", "open", ""]]);
});

test("taking a decision back stays where it is", async () => {
  const { state } = reviewing([listed("a", "accepted"), listed("b")]);
  await state.load();
  state.select("a");
  await state.decide("open");
  assert.equal(state.selected, "a");
  assert.equal(decisions(state), "a open,b open");
});

test("what the server refuses is shown as it was, and isn't taken back", async () => {
  const { state, api, stored } = reviewing([listed("a"), listed("b")]);
  await state.load();
  state.select("a");
  api.refuses = new Error("gone");
  await assert.rejects(state.decide("accepted"), /gone/);
  assert.equal(decisions(state), "a open,b open");
  api.refuses = null;
  await state.undo();
  assert.deepEqual(stored, []);
});

test("the selection stays in the list, and the next page comes before its end", async () => {
  const { state, asked } = reviewing([..."abcdef"].map((id) => listed(id)), [listed("g")]);
  await state.load();
  state.step(-1);
  assert.equal(state.selected, "a");
  state.step(-1);
  assert.equal(state.selected, "a");
  for (let n = 0; n < 3; n++) state.step(1);
  await turn();
  assert.equal(asked.length, 2);
  for (let n = 0; n < 9; n++) state.step(1);
  assert.equal(state.selected, "g");
});
