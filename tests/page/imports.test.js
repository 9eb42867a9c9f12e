import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { sendFile } from "../../frontends/gradio/static/page/send_file.js";
import { areWrong, hasFiles, problemOf } from "../../frontends/gradio/static/sidebar/import_files.js";
import { detailsOf, hasDetails, summaryOf } from "../../frontends/gradio/static/sidebar/import_report.js";
import { Imports } from "../../frontends/gradio/static/sidebar/imports.js";
import { deferred, fakeApp } from "./fakes.js";

const file = (name, size = 10) => ({ name, size });
const report = (titles, values = {}) => ({
  conversations: titles.map((title) => ({ id: title, title })),
  chats: titles.length,
  rows: 0,
  messages: 2 * titles.length,
  ratings: 0,
  rankings: 0,
  known: 0,
  left_out: {},
  changed: {},
  skipped: {},
  skipped_items: [],
  stopped: null,
  ...values,
});
const imported = (id, at, values) => ({ id, updated_at: at, dataset_file: null, report: report([id], values) });

let app, toasts, sent, opened, shown;

beforeEach(() => {
  toasts = [];
  sent = [];
  opened = [];
  shown = [];
  app = {
    ...fakeApp({ info: { limits: { import_bytes: 100e6 } } }),
    errorText: (error) => `failed: ${error.code}`,
    toast: (text, options = {}) => {
      const one = { text, options, removed: false };
      toasts.push(one);
      return { say: (changed) => (one.text = changed), remove: () => (one.removed = true) };
    },
    api: {
      upload: (path, given, handlers) => {
        const answer = deferred();
        sent.push({ name: given.name, handlers, ...answer });
        return answer.promise;
      },
    },
  };
});

const imports = () =>
  new Imports(app, {
    imported: ({ id }, only) => opened.push([id, only]),
    showDetails: (title, lines) => shown.push(lines),
  });

test("files of the wrong kind and too large ones are not sent", () => {
  for (const name of ["a.json", "A.JSON", "b.jsonl", "c.ndjson", "d.zip"]) assert.equal(problemOf(app, file(name)), null);
  for (const name of ["a.png", "json", "folder", "a.json.exe"]) {
    assert.equal(problemOf(app, file(name)), `imports.wrong_kind name=${name}`);
  }
  assert.equal(problemOf(app, file("a.zip", 101e6)), "imports.too_large name=a.zip limit=100 MB");
  app.state.info = null;
  assert.equal(problemOf(app, file("a.zip", 101e6)), null, "then the server decides");
});

test("one chat is opened, and progress is shown until then", async () => {
  const done = imports().take([file("a.json")]);
  const [note] = toasts;
  assert.equal(note.text, "imports.sending name=a.json percent=0");
  sent[0].handlers.onSent(0.456);
  assert.equal(note.text, "imports.sending name=a.json percent=45");
  sent[0].handlers.onProgress({ conversations: 1, messages: 1200, judgements: 0, read: 0.129 });
  const counts = "imports.conversations_one count=1, imports.messages_other count=1,200";
  assert.equal(note.text, `imports.storing name=a.json percent=12 done=${counts}`);
  sent[0].resolve(imported("x", "2026-01-01"));
  await done;
  assert.equal(note.removed, true);
  assert.deepEqual(opened, [["x", true]]);
  assert.equal(toasts[1].text, "imports.done taken=imports.chats_one count=1 rest=");
  assert.equal(toasts[1].options.action, undefined, "nothing more to tell");
});

test("several files come one after the other, those dropped meanwhile too; a bad one does not stop them", async () => {
  const one = imports();
  const done = one.take([file("a.json"), file("b.png"), file("c.zip")]);
  assert.equal(one.take([file("d.json")]), done);
  assert.deepEqual(sent.map(({ name }) => name), ["a.json"]);
  sent[0].resolve(imported("old", "2026-01-01", { left_out: { no_text: 3 }, skipped: { broken: 2 } }));
  await new Promise(setImmediate);
  sent[1].reject({ code: "invalid_import" });
  await new Promise(setImmediate);
  sent[2].resolve(imported("new", "2026-01-02"));
  await done;
  assert.deepEqual(sent.map(({ name }) => name), ["a.json", "c.zip", "d.json"]);
  assert.deepEqual(opened, [["new", false]]);
  const { text, options } = toasts[1];
  for (const part of ["chats_other count=2", "left_out_other count=3", "skipped_other count=2", "files_other count=2"]) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  options.onAction();
  assert.ok(shown[0].includes("imports.wrong_kind name=b.png"));
  assert.ok(shown[0].includes("failed: invalid_import"));
});

test("judgements and rows of datasets are told, and only chats are opened", async () => {
  const done = imports().take([file("pairs.jsonl")]);
  sent[0].handlers.onProgress({ conversations: 0, messages: 0, judgements: 0, read: 0.5 });
  assert.equal(toasts[0].text, "imports.reading name=pairs.jsonl percent=50 done=");
  const row = { ...imported("row", "2026-02-01", { chats: 0, rows: 5, ratings: 1, rankings: 4 }), dataset_file: "pairs.jsonl" };
  sent[0].resolve(row);
  await done;
  assert.deepEqual(opened, []);
  assert.equal(toasts[1].text, "imports.done taken=imports.rows_other count=5, imports.judgements_other count=5 rest=");
});

test("what was there already is told, and a single chat is opened again", async () => {
  const done = imports().take([file("a.json")]);
  sent[0].resolve(imported("x", "2026-01-01", { chats: 0, known: 1, messages: 0 }));
  await done;
  assert.deepEqual(opened, [["x", true]]);
  assert.equal(toasts[1].text, "imports.done_nothing rest=imports.known_one count=1");
});

test("a single file that can't be imported is told with its reason", () => {
  const outcomes = [{ name: "a.png", problem: "why" }];
  assert.equal(summaryOf(app, outcomes), "why");
  assert.equal(hasDetails(outcomes), false);
});

test("the details name what was skipped, and count what was left out", () => {
  const items = [
    { reason: "broken", name: "a.json", title: "#3" },
    { reason: "no_messages", name: "", title: "" },
  ];
  const values = { left_out: { tool: 1 }, changed: { shortened: 2 }, skipped: { broken: 5 }, skipped_items: items };
  const outcomes = [{ name: "f", report: report(["x"], { ...values, stopped: { code: "store_full" } }) }];
  assert.equal(hasDetails(outcomes), true);
  assert.deepEqual(detailsOf(app, outcomes).slice(1), [
    "imports.left_out_tool count=1",
    "imports.changed_shortened count=2",
    "imports.skipped_item what=a.json · #3 reason=imports.reason_broken",
    "imports.skipped_item what=app.untitled reason=imports.reason_no_messages",
    "imports.skipped_more count=3",
    "failed: store_full",
  ]);
});

test("files are told from text, and pictures from files that may be chats", () => {
  assert.equal(hasFiles({ types: ["text/plain", "Files"] }), true);
  assert.equal(hasFiles({ types: ["text/plain"] }), false);
  assert.equal(hasFiles(null), false);
  const dragged = (...types) => ({ items: types.map((type) => ({ kind: "file", type })) });
  assert.equal(areWrong(dragged("image/png", "application/pdf")), true);
  assert.equal(areWrong(dragged("image/png", "application/json")), false);
  assert.equal(areWrong(dragged("")), false);
  assert.equal(areWrong({ items: [] }), false);
});

class FakeRequest extends EventTarget {
  upload = new EventTarget();
  responseText = "";
  status = 200;
  constructor() {
    super();
    FakeRequest.last = this;
  }
  open() {}
  setRequestHeader() {}
  send() {}
  tell(name, text = this.responseText) {
    this.responseText = text;
    this.dispatchEvent(new Event(name));
  }
}

test("a file is sent with progress, of lines that have come whole; the last line is the answer", async () => {
  globalThis.XMLHttpRequest = FakeRequest;
  const told = [];
  const handlers = { onSent: (share) => told.push(share), onProgress: ({ messages }) => told.push(messages) };
  const answer = sendFile("./x", file("a"), handlers);
  const request = FakeRequest.last;
  request.upload.dispatchEvent(Object.assign(new Event("progress"), { loaded: 1, total: 4 }));
  request.tell("progress", '{"messages": 5}\n{"mess');
  request.tell("progress", '{"messages": 5}\n{"messages": 7}\n');
  request.tell("load", '{"messages": 5}\n{"messages": 7}\n{"imported": {"id": "x"}}\n');
  assert.deepEqual(told, [0.25, 5, 7]);
  assert.deepEqual(await answer, { status: 200, told: { imported: { id: "x" } } });

  const refused = sendFile("./x", file("a"), handlers);
  FakeRequest.last.status = 413;
  FakeRequest.last.tell("load", "<html>a proxy's page</html>");
  assert.deepEqual(await refused, { status: 413, told: null });

  const lost = sendFile("./x", file("a"), handlers);
  FakeRequest.last.tell("error");
  await assert.rejects(lost);
});
