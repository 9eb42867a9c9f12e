import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { hubName } from "../../frontends/gradio/static/models/hub_name.js";
import { grouped } from "../../frontends/gradio/static/models/model_groups.js";
import {
  freeBytes,
  isTooLarge,
  isUsable,
  share,
  shortLanguageNames,
  stateLook,
} from "../../frontends/gradio/static/models/model_state.js";
import { addModels } from "../../frontends/gradio/static/models/models.js";
import { FakeDocument, FakeEventSource, FakeStorage, fakeApp } from "./fakes.js";

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  globalThis.document = new FakeDocument();
  globalThis.EventSource = FakeEventSource;
  globalThis.localStorage = new FakeStorage();
  FakeEventSource.opened = [];
});

const model = (id, state, values = {}) => ({ id, state, title: id, languages: [], kind: "chat", ...values });
const ids = (models) => models.map(({ id }) => id).join();

test("models that are here come first, then the most suitable to download", () => {
  const groups = grouped(
    [
      model("large", "not_fetched", { memory_bytes: 9e9, languages: ["en"] }),
      model("huge", "not_fetched", { memory_bytes: 99e9, fits: false }),
      model("small", "not_fetched", { memory_bytes: 1e9, languages: ["en"] }),
      model("chinese", "not_fetched", { memory_bytes: 5e8, languages: ["zh"] }),
      model("coming", "fetching", { memory_bytes: 99e9, fits: false }),
      model("here", "ready"),
    ],
    "en",
  );
  assert.deepEqual(
    groups.map(({ key, models }) => [key, ids(models)]),
    [
      ["picker.here", "here"],
      ["picker.to_fetch", "coming,small,large,chinese,huge"],
    ],
  );
});

test("a group without models is left out", () => {
  assert.deepEqual(
    grouped([model("here", "loaded")], "en").map(({ key }) => key),
    ["picker.here"],
  );
});

test("what is loaded is never too large: it has its memory", () => {
  assert.equal(isTooLarge(model("a", "ready", { fits: false })), true);
  assert.equal(isTooLarge(model("a", "loaded", { fits: false })), false);
  assert.equal(isUsable(model("a", "ready", { fits: false })), false);
  assert.equal(stateLook(model("a", "ready", { fits: false })), "bad");
});

test("what is free is told of the device that a model runs on", () => {
  const app = fakeApp({ memory: { available_bytes: 64e9, gpu: { available_bytes: 8e9 } } });
  assert.equal(freeBytes(app, { device: "gpu" }), 8e9);
  assert.equal(freeBytes(app, { device: "cpu" }), 64e9);
  assert.equal(freeBytes(fakeApp({ memory: { available_bytes: 64e9, gpu: null } }), { device: "gpu" }), 64e9);
  assert.equal(freeBytes(fakeApp({}), { device: "cpu" }), 0);
});

test("the share that is fetched is known even before the total is", () => {
  assert.equal(share({ size_bytes: 100, progress: { done_bytes: 40 } }), 0.4);
  assert.equal(share({ size_bytes: 100, progress: { done_bytes: 40, total_bytes: 80 } }), 0.5);
  assert.equal(share({ size_bytes: 100, progress: { done_bytes: 140 } }), 1);
  assert.equal(share({}), 0);
});

test("many languages are named by a few, the reader's own first", () => {
  const app = { ...fakeApp(), t: (key, { names, count }) => `${names} and ${count} more` };
  assert.equal(shortLanguageNames(app, ["fr", "de", "en", "es"]), "English, French and 2 more");
  assert.equal(shortLanguageNames(app, ["en", "xx-nonsense-"]), "English, xx-nonsense-");
});

test("a model's name is read from what was typed or from its page's address", () => {
  assert.equal(hubName(" owner/name "), "owner/name");
  assert.equal(hubName("hub:owner/name:file.gguf"), "owner/name:file.gguf");
  assert.equal(hubName("https://huggingface.co/owner/name?x=1#y"), "owner/name");
  assert.equal(hubName("https://huggingface.co/owner/name/tree/v2"), "owner/name@v2");
  assert.equal(hubName("https://huggingface.co/owner/name/blob/main/dir/f.gguf"), "owner/name:dir/f.gguf");
});

/** An app whose server lists `items`. */
function listing(items, state = {}) {
  const app = { ...fakeApp({ info: { default_model_id: "usual" }, ...state }), on: () => {}, items };
  app.api = { get: async () => ({ items: structuredClone(app.items), memory: { available_bytes: 1 } }) };
  addModels(app);
  return app;
}

test("a list that says what is known already is told to nobody", async () => {
  const app = listing([model("usual", "ready")]);
  await app.refreshModels();
  await app.refreshModels();
  assert.equal(app.count("models"), 1);
  app.items = [model("usual", "loaded")];
  await app.refreshModels();
  assert.equal(app.count("models"), 2);
});

test("an empty list is told too: now it is known that there is no model", async () => {
  const app = listing([]);
  await app.refreshModels();
  assert.equal(app.count("models"), 1);
  assert.equal(app.state.modelsKnown, true);
});

test("the server's default answers if it speaks the reader's language, else a model that does", async () => {
  const items = [model("usual", "ready", { languages: ["en"] }), model("other", "ready", { languages: ["zh"] })];
  const app = listing(items);
  await app.refreshModels();
  assert.equal(app.reference(), "usual");
  app.state.language = "zh";
  assert.equal(app.reference(), "other");
  app.state.draft.model_id = "usual";
  assert.equal(app.reference(), "usual");
});

test("a model in the server's settings answers whatever language it speaks, unless another was chosen", async () => {
  const items = [model("usual", "ready", { languages: ["en"] }), model("other", "ready", { languages: ["zh"] })];
  const app = listing(items, { info: { default_model_id: "usual", configured_model_id: "usual" } });
  await app.refreshModels();
  app.state.language = "zh";
  assert.equal(app.reference(), "usual");
  app.state.draft.model_id = "other";
  assert.equal(app.reference(), "other");
});

// --- changes as events ---------------------------------------------------------------------------

const stream = () => FakeEventSource.last;
const coming = (done_bytes) => model("other", "fetching", { progress: { done_bytes } });

test("changes are followed while somebody looks at the list, and no longer", async () => {
  const app = listing([model("usual", "ready")]);
  await app.refreshModels();
  assert.equal(FakeEventSource.opened.length, 0);
  let isOpen = true;
  app.followModels(() => isOpen);
  assert.equal(stream().url, "./api/models/events?language=en");
  stream().send("model", { model: model("usual", "loaded") });
  stream().send("model", { model: model("new", "ready") });
  stream().send("removed", { id: "usual" });
  assert.deepEqual(app.state.models.map(({ id, state }) => [id, state]), [["new", "ready"]]);
  isOpen = false;
  stream().send("memory", { memory: { available_bytes: 2 } });
  assert.equal(app.state.memory.available_bytes, 2);
  assert.equal(stream().closed, true);
});

test("what is on its way is followed though nobody looks; its progress is drawn once a second", async () => {
  const app = listing([model("usual", "ready"), coming(0)]);
  await app.refreshModels();
  for (let step = 1; step <= 8; step += 1) {
    stream().send("model", { model: coming(step) });
    stream().send("memory", { memory: { available_bytes: step } });
    assert.deepEqual([app.state.models[1].progress.done_bytes, app.state.memory.available_bytes], [step, step]);
    mock.timers.tick(250);
  }
  assert.equal(app.count("models"), 1 + 3); // at once, and when each second has passed
  assert.equal(app.count("memory"), 3);
  stream().send("model", { model: model("other", "ready") }); // at once
  assert.equal(app.count("models"), 1 + 3 + 1);
  assert.equal(stream().closed, true);
});

test("an answer is never older than what events told: they begin again after it", async () => {
  const app = listing([coming(0)]);
  await app.refreshModels();
  const before = stream();
  await app.refreshModels();
  assert.equal(before.closed, true);
  assert.equal(stream().closed, false);
  assert.notEqual(stream(), before);
});

test("a lost stream is opened again after a while, and a hidden tab holds none", async () => {
  const app = listing([coming(0)]);
  await app.refreshModels();
  stream().fail();
  assert.equal(stream().closed, true);
  mock.timers.tick(5000);
  assert.equal(FakeEventSource.opened.length, 2);
  document.show(false);
  assert.equal(stream().closed, true);
  document.show(true);
  assert.equal(FakeEventSource.opened.length, 3);
});

// --- which model answers --------------------------------------------------------------------------

const variant = (id, name, at) => ({ name, id: at ? `${id}@${name}` : id, default: !at, state: "ready" });
const variants = (id, ...names) => names.map((name, at) => variant(id, name, at));

test("the model that was chosen last answers in new chats, with its variant and adapter, while it can", async () => {
  const adapters = [{ name: "polite" }];
  const rich = model("rich", "ready", { quantizations: variants("rich", "q4_0", "q8_0"), adapters });
  const app = listing([model("usual", "ready"), rich]);
  await app.refreshModels();
  await app.chooseModel("rich@q8_0+polite");
  app.state.draft = {};
  assert.equal(app.reference(), "rich@q8_0+polite");
  const again = listing([model("usual", "ready"), rich]); // the next visit
  await again.refreshModels();
  assert.equal(again.reference(), "rich@q8_0+polite");
  for (const less of [{ adapters: [] }, { quantizations: variants("rich", "q4_0") }, { quantizations: [] }]) {
    app.items = [model("usual", "ready"), { ...rich, ...less }];
    await app.refreshModels();
    assert.equal(app.reference(), "usual");
  }
});

test("a model that was chosen and needs a download now, or does not fit, answers in no new chat", async () => {
  const app = listing([model("usual", "ready"), model("other", "ready")]);
  await app.refreshModels();
  await app.chooseModel("other");
  app.state.draft = {};
  for (const now of [model("other", "not_fetched"), model("other", "ready", { fits: false })]) {
    app.items = [model("usual", "ready"), now];
    await app.refreshModels();
    assert.equal(app.reference(), "usual");
  }
});

test("no other model takes the place of a chat's own that is gone", async () => {
  const app = listing([model("usual", "ready", { quantizations: variants("usual", "q4_0") })]);
  app.state.conversation = { model_id: "gone" };
  assert.equal(app.missingModel(), null); // the list isn't known yet
  await app.refreshModels();
  assert.deepEqual([app.missingModel(), app.reference(), app.model()], ["gone", "gone", null]);
  app.state.conversation = { model_id: "usual@q8_0" };
  assert.equal(app.missingModel(), "usual@q8_0");
  app.state.conversation = { model_id: null }; // it never had one
  assert.deepEqual([app.missingModel(), app.reference()], [null, "usual"]);
});

test("the recommended model comes first, a model that only continues texts last", () => {
  const groups = grouped(
    [
      model("base", "not_fetched", { memory_bytes: 1, tier: "base", languages: ["en"] }),
      model("older", "not_fetched", { memory_bytes: 2, tier: "older", languages: ["en"] }),
      model("recent", "not_fetched", { memory_bytes: 3, tier: "recent", languages: ["en"] }),
      model("best", "not_fetched", { memory_bytes: 4, tier: "recent", recommended: true, languages: ["en"] }),
      model("base here", "ready", { tier: "base" }),
      model("here", "ready"),
    ],
    "en",
  );
  assert.deepEqual(groups.map(({ models }) => ids(models)), ["here,base here", "best,recent,older,base"]);
});
