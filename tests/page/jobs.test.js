import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { isActive, jobShare, jobStatus, jobTitle } from "../../frontends/gradio/static/jobs/job_state.js";
import { addJobs } from "../../frontends/gradio/static/jobs/jobs.js";
import { createTranslate } from "../../frontends/gradio/static/i18n/language.js";
import { FakeDocument, FakeEventSource, FakeStorage, fakeApp } from "./fakes.js";

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  globalThis.document = new FakeDocument();
  globalThis.EventSource = FakeEventSource;
  globalThis.localStorage = new FakeStorage();
  FakeEventSource.opened = [];
});

const job = (id, state, values = {}) => ({ id, kind: "fetch", parameters: { model_id: id, title: id }, state, ...values });
const progress = (done, total, phase = "downloading", unit = "bytes") => ({ phase, done, total, unit });

/** A page in `language` that says its texts. */
function speaking(language) {
  return { ...fakeApp({ language }), t: createTranslate(() => language) };
}

/** An app whose server lists `items`. */
function listing(items) {
  const handlers = {};
  const app = { ...fakeApp(), on: (event, act) => (handlers[event] = act), items, asked: 0 };
  app.api = {
    get: async () => {
      app.asked += 1;
      return { items: structuredClone(app.items) };
    },
  };
  addJobs(app);
  return { app, tell: (event, data) => handlers[event](data) };
}

const stream = () => FakeEventSource.last;
const states = (app) => app.state.jobs.map(({ id, state }) => `${id} ${state}`).join();

test("what a job does is said in both languages, also of a kind that the page does not know", () => {
  const convert = job("a", "queued", { kind: "convert", parameters: { title: "Tiny", to: "q4_0" } });
  assert.equal(jobTitle(speaking("en"), convert), "Convert Tiny to q4_0");
  assert.equal(jobTitle(speaking("zh"), convert), "将 Tiny 转换为 q4_0");
  assert.equal(jobTitle(speaking("en"), job("b", "done", { kind: "train", parameters: {} })), "train");
});

test("how far it is has figures where they are known", () => {
  const running = (value) => job("a", "running", { progress: value });
  assert.equal(jobStatus(speaking("en"), running(progress(12e6, 93e6))), "Downloading: 12 MB of 93 MB");
  assert.equal(jobStatus(speaking("zh"), running(progress(12e6, 93e6))), "下载中，已完成 12 MB / 共 93 MB");
  assert.equal(jobStatus(speaking("en"), running(progress(1200, 5000, "odd", "rows"))), "Running: 1,200 of 5,000 rows");
  assert.equal(jobStatus(speaking("en"), running(progress(7, null))), "Downloading");
  assert.equal(jobStatus(speaking("en"), running(null)), "Running");
  assert.deepEqual([progress(1, 4), progress(9, 4), progress(1, null)].map((p) => jobShare({ progress: p })), [0.25, 1, null]);
});

test("how it ended, with the reason in the page's language", () => {
  const app = speaking("en");
  assert.equal(jobStatus(app, job("a", "interrupted")), "Interrupted because Parley stopped");
  assert.equal(jobStatus(app, job("a", "running", { cancel_requested: true })), "Cancelling…");
  const failed = (error) => job("Tiny", "failed", { error });
  assert.match(jobStatus(app, failed({ code: "fetch_failed", message: "No route.", details: {} })), /couldn't be downloaded.*No route/);
  assert.equal(jobStatus(app, failed({ code: "invalid_import", message: "No weights.", details: {} })), "This can't be used: No weights.");
  const gated = { code: "fetch_failed", message: "x", details: { reason: "offline" } };
  assert.match(jobStatus(speaking("zh"), failed(gated)), /HF_HUB_OFFLINE/);
  assert.equal(isActive(failed(gated)), false);
});

test("active jobs are followed until they end, though nobody looks", async () => {
  const { app } = listing([job("b", "queued"), job("a", "done")]);
  await app.refreshJobs();
  assert.equal(stream().url, "./api/jobs/events");
  stream().send("job", { job: job("b", "running") });
  stream().send("job", { job: job("c", "running") });
  assert.equal(states(app), "c running,b running,a done");
  stream().send("job", { job: job("b", "done") });
  assert.equal(stream().closed, false);
  stream().send("removed", { id: "a" });
  stream().send("job", { job: job("c", "failed") });
  assert.equal(states(app), "c failed,b done");
  assert.equal(stream().closed, true);
  const ended = app.emitted.filter(([name]) => name === "job-ended").map(([, { id, state }]) => `${id} ${state}`);
  assert.deepEqual(ended, ["b done", "c failed"]);
});

test("without active jobs the stream is open only while the list is visible", async () => {
  const { app } = listing([job("a", "done")]);
  await app.refreshJobs();
  assert.equal(FakeEventSource.opened.length, 0);
  let isOpen = true;
  app.followJobs(() => isOpen);
  stream().send("jobs", { items: [job("b", "done")] });
  assert.equal(states(app), "b done");
  isOpen = false;
  stream().send("job", { job: job("b", "done") });
  assert.equal(stream().closed, true);
});

test("a download that begins elsewhere on the page is found, once", async () => {
  const { app, tell } = listing([job("a", "running")]);
  await app.refreshJobs();
  tell("models", [{ id: "a", state: "fetching" }, { id: "x", state: "ready" }]);
  assert.equal(app.asked, 1);
  tell("models", [{ id: "b", state: "fetching" }]);
  assert.equal(app.asked, 2);
});

test("when the server is back the list is read again", async () => {
  const { app, tell } = listing([job("a", "interrupted")]);
  tell("connection", false);
  assert.equal(app.asked, 0);
  await tell("connection", true);
  assert.equal(states(app), "a interrupted");
});
