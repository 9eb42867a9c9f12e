import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { ApiError } from "../../frontends/gradio/static/page/api.js";
import { SettingsState } from "../../frontends/gradio/static/settings/settings_state.js";
import { deferred, turn } from "./fakes.js";

const DEFAULTS = { temperature: 0.2, top_p: 0.9, top_k: 40, min_p: 0.05, repetition_penalty: 1, max_new_tokens: 512 };
const EMPTY = { system_prompt: "", sampling: {} };
const CREATIVE = { temperature: 1.1, top_p: 0.95, top_k: 100 };
const CREATIVE_CHANGES = { ...CREATIVE, min_p: null }; // 0.05 is the model's own

let state, requests, kept, told;

beforeEach(() => {
  requests = []; // {id, changes, resolve, reject}, which the test answers when it likes
  kept = [];
  told = [];
  state = new SettingsState({
    save: (id, changes) => {
      const answer = deferred();
      requests.push({ id, changes, ...answer });
      return answer.promise;
    },
    keep: (settings) => kept.push(settings),
    changed: () => {},
    status: (status) => told.push(status),
  });
  state.setDefaults(DEFAULTS);
});

async function answer(n) {
  requests[n].resolve();
  await turn();
}

test("an edit is seen at once and saved when it is committed", async () => {
  state.open("c1", EMPTY);
  state.editSampling({ temperature: 0.5 });
  assert.equal(state.values.temperature, 0.5);
  assert.equal(requests.length, 0);
  state.commit();
  assert.deepEqual(requests[0].changes, { sampling_changes: { temperature: 0.5 } });
  await answer(0);
  assert.equal(told.at(-1), "saved");
});

test("a click that follows another is saved after it, and keeps what both changed", async () => {
  state.open("c1", EMPTY);
  state.editSystemPrompt("Be brief.");
  state.commit(); // the focus leaves the text
  state.applyPreset("creative"); // for the button that is clicked
  assert.equal(requests.length, 1);
  await answer(0);
  assert.deepEqual(requests[1].changes, { sampling_changes: CREATIVE_CHANGES });
  await answer(1);
  assert.deepEqual(state.settings, { system_prompt: "Be brief.", sampling: CREATIVE });
});

test("only the latest of many edits is saved after the one that is under way", async () => {
  state.open("c1", EMPTY);
  for (const temperature of [0.3, 0.4, 0.5]) {
    state.editSampling({ temperature });
    state.commit();
  }
  await answer(0);
  assert.deepEqual(
    requests.map(({ changes }) => changes.sampling_changes.temperature),
    [0.3, 0.5],
  );
});

test("what an event tells of an own save never brings an older state back", async () => {
  state.open("c1", EMPTY);
  state.applyPreset("creative");
  state.reset();
  await answer(0);
  await answer(1);
  state.receive({ ...EMPTY, sampling: CREATIVE }); // the event of the first save comes late
  assert.deepEqual(state.settings.sampling, {});
  state.receive(EMPTY);
  assert.deepEqual(state.settings.sampling, {});
});

test("another tab's change arrives", () => {
  state.open("c1", EMPTY);
  state.receive({ system_prompt: "Answer in French.", sampling: { seed: 5 } });
  assert.deepEqual([state.settings.system_prompt, state.values.seed], ["Answer in French.", 5]);
});

test("another tab's change does not take away what is being written", () => {
  state.open("c1", EMPTY);
  state.editSystemPrompt("Half a sen");
  state.receive({ system_prompt: "Other", sampling: { seed: 5 } });
  assert.deepEqual([state.settings.system_prompt, state.values.seed], ["Half a sen", 5]);
  state.commit();
  assert.deepEqual(requests[0].changes, { system_prompt: "Half a sen" });
});

test("another tab's change that comes after an own one, while that is saved, is shown when it is", async () => {
  state.open("c1", EMPTY);
  state.applyPreset("creative");
  state.receive({ ...EMPTY, sampling: CREATIVE });
  state.receive({ ...EMPTY, sampling: { seed: 5 } });
  assert.deepEqual(state.settings.sampling, { ...CREATIVE, seed: 5 }); // the seed isn't being saved here
  await answer(0);
  assert.deepEqual(state.settings.sampling, { seed: 5 });
});

test("another tab's change that came before an own one is gone", async () => {
  state.open("c1", EMPTY);
  state.applyPreset("creative");
  state.receive({ ...EMPTY, sampling: { seed: 5 } });
  state.receive({ ...EMPTY, sampling: CREATIVE });
  await answer(0);
  assert.deepEqual(state.settings.sampling, CREATIVE);
});

test("another tab's change that came before an own save stays out when the answer overtakes the own event", async () => {
  state.open("c1", EMPTY);
  state.editSystemPrompt("mine");
  state.receive({ ...EMPTY, system_prompt: "other" });
  state.commit();
  await answer(0);
  assert.equal(state.settings.system_prompt, "mine");
  state.receive({ ...EMPTY, system_prompt: "mine" });
  assert.equal(state.settings.system_prompt, "mine");
  state.receive({ ...EMPTY, system_prompt: "later" });
  assert.equal(state.settings.system_prompt, "later");
});

test("what did not reach the server stays, is told, and is sent again with the next change", async () => {
  state.open("c1", EMPTY);
  state.applyPreset("creative");
  const lost = new Error("lost");
  requests[0].reject(lost);
  await turn();
  assert.equal(told.at(-1), lost);
  state.receive(EMPTY); // the page loads the conversation again
  assert.deepEqual(state.settings.sampling, CREATIVE);
  state.editSystemPrompt("Be brief.");
  state.commit();
  assert.deepEqual(requests[1].changes, { sampling_changes: CREATIVE_CHANGES, system_prompt: "Be brief." });
  await answer(1);
  assert.equal(told.at(-1), "saved");
});

test("before there is a conversation, every edit is in the draft of the next one at once", () => {
  state.open(null, EMPTY);
  state.editSystemPrompt("Be brief.");
  assert.deepEqual(kept.at(-1), { system_prompt: "Be brief.", sampling: {} });
  state.applyPreset("creative");
  assert.deepEqual(kept.at(-1), { system_prompt: "Be brief.", sampling: CREATIVE });
  assert.equal(told.at(-1), "kept");
  assert.equal(requests.length, 0);
});

test("what was written in one conversation is saved there when another is opened", async () => {
  state.open("c1", EMPTY);
  state.editSystemPrompt("For the first.");
  state.open("c2", EMPTY);
  assert.deepEqual([requests[0].id, requests[0].changes], ["c1", { system_prompt: "For the first." }]);
  await answer(0);
  assert.equal(told.at(-1), null); // of the second, nothing was saved
  assert.equal(state.settings.system_prompt, "");
});

test("whoever asks a question can wait until the settings are stored", async () => {
  state.open("c1", EMPTY);
  state.editSystemPrompt("Be brief.");
  let settled = false;
  const waiting = state.settled().then(() => (settled = true));
  await turn();
  assert.equal(settled, false);
  await answer(0);
  await waiting;
  assert.equal(settled, true);
});

test("overrides are of the model that answers now", () => {
  state.open("c1", EMPTY);
  state.setDefaults({ ...DEFAULTS, temperature: 0.7 });
  assert.equal(state.values.temperature, 0.7);
  state.editSampling({ temperature: 0.2 });
  assert.deepEqual(state.settings.sampling, { temperature: 0.2 });
  state.editSampling({ temperature: 0.7 });
  assert.deepEqual(state.settings.sampling, {});
});

const refusal = () => new ApiError("invalid_sampling", "refused", {}, 422);

test("what did not reach the server is sent again when it is back, or before a question is asked", async () => {
  state.open("c1", EMPTY);
  state.retry(); // there is nothing to send
  state.applyPreset("creative");
  for (const again of [() => state.retry(), () => state.settled()]) {
    requests.at(-1).reject(new Error("lost"));
    await turn();
    void again();
  }
  assert.deepEqual(
    requests.map(({ changes }) => changes),
    Array(3).fill({ sampling_changes: CREATIVE_CHANGES }),
  );
});

test("after a refusal the form shows what is stored, and the refused change is not sent again", async () => {
  state.open("c1", { ...EMPTY, sampling: { temperature: 0.5 } });
  state.editSampling({ temperature: 1.5 });
  state.commit();
  const refused = refusal();
  requests[0].reject(refused);
  await turn();
  assert.deepEqual([state.settings.sampling, told.at(-1)], [{ temperature: 0.5 }, refused]);
  state.editSampling({ top_k: 7 });
  state.commit();
  assert.deepEqual(requests[1].changes, { sampling_changes: { top_k: 7 } });
});

test("a refusal takes no newer edit away, and brings back what another tab changed meanwhile", async () => {
  state.open("c1", EMPTY);
  state.editSampling({ temperature: 1.5, top_k: 7 });
  state.commit();
  state.receive({ ...EMPTY, sampling: { temperature: 0.6, top_k: 9 } });
  state.editSampling({ top_k: 8 });
  requests[0].reject(refusal());
  await turn();
  assert.deepEqual(state.settings.sampling, { temperature: 0.6, top_k: 8 });
});

test("two tabs that change different settings at the same time both keep theirs", async () => {
  state.open("c1", EMPTY);
  state.editSampling({ temperature: 1.5 });
  state.receive({ ...EMPTY, sampling: { top_k: 7 } });
  state.commit();
  assert.deepEqual(requests[0].changes, { sampling_changes: { temperature: 1.5 } });
  assert.deepEqual(state.settings.sampling, { temperature: 1.5, top_k: 7 });
});

test("what is edited while the first message creates the conversation is saved in it", async () => {
  state.open(null, EMPTY);
  state.editSampling({ temperature: 0.5 });
  state.commit();
  const created = structuredClone(kept.at(-1)); // as it was sent
  state.editSampling({ top_k: 7 });
  state.editSystemPrompt("Be brief.");
  state.created("c1", created);
  assert.deepEqual(
    requests.map(({ id, changes }) => [id, changes]),
    [["c1", { system_prompt: "Be brief.", sampling_changes: { top_k: 7 } }]],
  );
  assert.deepEqual(state.settings, { system_prompt: "Be brief.", sampling: { temperature: 0.5, top_k: 7 } });
});
