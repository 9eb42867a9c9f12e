import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ListData } from "../../frontends/gradio/static/sidebar/list_data.js";
import { grouped } from "../../frontends/gradio/static/sidebar/list_groups.js";
import { deferred, fakeApp, turn } from "./fakes.js";

process.env.TZ = "Europe/Berlin";

const NOW = new Date("2026-03-30T10:00:00"); // the day after the clocks were put forward
const conversation = (id, updated_at, values = {}) => ({ id, title: id, pinned: false, updated_at, ...values });

test("conversations are grouped by day, week and month, the pinned ones first", () => {
  const items = [
    conversation("p", "2025-01-01T10:00:00", { pinned: true }),
    conversation("a", "2026-03-30T00:10:00"),
    conversation("b", "2026-03-29T23:50:00"),
    conversation("c", "2026-03-23T10:00:00"),
    conversation("d", "2026-03-02T10:00:00"),
    conversation("e", "2025-12-24T10:00:00"),
  ];
  const groups = grouped(fakeApp(), items, NOW);
  assert.deepEqual(
    groups.map(({ title, items: listed }) => [title, listed.map(({ id }) => id).join()]),
    [
      ["sidebar.pinned", "p"],
      ["Today", "a"],
      ["Yesterday", "b"],
      ["sidebar.week", "c"],
      ["March", "d"],
      ["December 2025", "e"],
    ],
  );
});

let data, requests;

beforeEach(() => {
  requests = [];
  data = new ListData({
    api: {
      get: (path, { signal }) => {
        const answer = deferred();
        signal.addEventListener("abort", () => answer.reject(Object.assign(new Error(), { name: "AbortError" })));
        requests.push({ path, ...answer });
        return answer.promise;
      },
    },
  });
});

async function loaded(items, next_cursor = null) {
  const loading = data.load();
  requests.at(-1).resolve({ items, next_cursor });
  await loading;
}

const ids = () => data.items.map(({ id }) => id).join();

test("what is put into the list takes its place, and tells whether anything changed", async () => {
  await loaded([conversation("b", "2026-03-02T10:00:00"), conversation("a", "2026-03-01T10:00:00")]);
  assert.equal(data.put({ id: "a", title: "a" }), false);
  assert.equal(data.put({ id: "a", updated_at: "2026-03-03T10:00:00" }), true);
  assert.equal(ids(), "a,b");
  assert.equal(data.put({ id: "b", pinned: true }), true);
  assert.equal(ids(), "b,a");
  assert.equal(data.put(conversation("c", "2026-03-04T10:00:00")), true);
  assert.equal(ids(), "b,c,a");
});

test("a search's findings take in nothing that it did not find", async () => {
  const searching = data.load("x");
  requests[0].resolve({ items: [conversation("b", "2026-03-02T10:00:00")], next_cursor: null });
  await searching;
  assert.equal(data.put(conversation("c", "2026-03-04T10:00:00")), false);
  assert.equal(data.put({ id: "b", title: "new" }), true);
  assert.equal(ids(), "b");
});

test("the last question asked wins", async () => {
  const first = data.load("fo");
  const second = data.load("fox");
  requests[1].resolve({ items: [conversation("fox", "2026-03-02T10:00:00")], next_cursor: null });
  assert.deepEqual([await first, await second], [false, true]);
  assert.equal(ids(), "fox");
});

test("another page adds only what is not listed yet", async () => {
  await loaded([conversation("b", "2026-03-02T10:00:00")], "next");
  const more = data.more();
  const items = [conversation("b", "2026-03-02T10:00:00"), conversation("a", "2026-03-01T10:00:00")];
  requests.at(-1).resolve({ items, next_cursor: null });
  assert.equal(await more, true);
  assert.equal(ids(), "b,a");
  assert.match(requests.at(-1).path, /cursor=next/);
  assert.equal(await data.more(), false);
  await turn();
});

test("removing tells which conversation takes the place", async () => {
  await loaded(["c", "b", "a"].map((id, n) => conversation(id, `2026-03-0${3 - n}T10:00:00`)));
  assert.equal(data.remove("b"), "a");
  assert.equal(data.remove("a"), "c");
  assert.equal(data.remove("c"), null);
  assert.equal(data.remove("gone"), null);
});
