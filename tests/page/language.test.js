import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { bytes, joined, longTime, number, shortTime } from "../../frontends/gradio/static/i18n/format.js";
import { en } from "../../frontends/gradio/static/i18n/en.js";
import { zh } from "../../frontends/gradio/static/i18n/zh.js";
import { createTranslate, preferredLanguage, rememberLanguage } from "../../frontends/gradio/static/i18n/language.js";
import { errorText } from "../../frontends/gradio/static/page/error_text.js";
import { settingsSummary } from "../../frontends/gradio/static/settings/summary.js";
import { fakeApp, FakeStorage } from "./fakes.js";

const EN = fakeApp();
const ZH = fakeApp({ language: "zh" });

function browserSpeaks(...languages) {
  Object.defineProperty(globalThis, "navigator", { value: { languages }, configurable: true });
}

beforeEach(() => (globalThis.localStorage = new FakeStorage()));

test("the language is what was chosen, else the first of the browser's that the page speaks, else English", () => {
  browserSpeaks("de-DE", "zh-TW", "en");
  assert.equal(preferredLanguage(), "zh");
  browserSpeaks("fr");
  assert.equal(preferredLanguage(), "en");
  rememberLanguage("zh");
  assert.equal(preferredLanguage(), "zh");
  localStorage.setItem("parley.language", "tlh");
  assert.equal(preferredLanguage(), "en");
});

test("texts have their values filled in, and follow the language of the moment", () => {
  let language = "en";
  const t = createTranslate(() => language);
  assert.equal(t("message.version", { index: 1, count: 2 }), "Version 1 of 2");
  assert.match(t("message.version", { index: 1 }), /\{count\}/);
  assert.equal(t("no.such_text"), "no.such_text");
  language = "zh";
  assert.match(t("message.copy"), /[\u4e00-\u9fff]/);
});

test("sizes are rounded to what one reads at a glance", () => {
  assert.equal(bytes(EN, 98_400_000), "98 MB");
  assert.equal(bytes(EN, 999_000_000), "999 MB");
  assert.equal(bytes(EN, 1_250_000_000), "1.3 GB");
  assert.equal(bytes(EN, 13_400_000_000), "13 GB");
});

test("numbers and lists are written as the language does", () => {
  assert.equal(number(EN, 1234567), "1,234,567");
  assert.equal(joined(EN, ["a", "b"]), "a, b");
  assert.equal(joined(ZH, ["甲", "乙"]), "甲、乙");
});

test("a time of today has no date, and one of another year has its year", () => {
  const now = new Date();
  assert.match(shortTime(EN, now.toISOString()), /^\d{1,2}:\d{2}\s?[AP]M$/);
  assert.match(shortTime(EN, "2020-03-05T12:00:00Z"), /Mar 5, 2020/);
  assert.match(longTime(ZH, "2020-03-05T12:00:00Z"), /2020年3月5日/);
});

/** An app that speaks English in earnest. */
function speaking() {
  return { ...fakeApp(), t: createTranslate(() => "en"), reference: () => "small" };
}

test("an error is told with its sizes in words", () => {
  const details = { model_id: "glm", needed_bytes: 8e9, available_bytes: 2e9 };
  const text = errorText(speaking(), { code: "not_enough_memory", message: "x", details });
  assert.match(text, /glm/);
  assert.match(text, /8 GB/);
  assert.match(text, /2 GB/);
});

test("a hub's refusal is told by its reason, where there is a text for it", () => {
  const app = speaking();
  const gated = errorText(app, { code: "fetch_failed", details: { reason: "gated", repo: "a/b", page: "https://x" } });
  assert.match(gated, /a\/b/);
  const other = errorText(app, { code: "fetch_failed", message: "odd", details: { reason: "no_such_reason" } });
  assert.match(other, /odd/);
});

test("an error without a text of its own is told with its message", () => {
  assert.match(errorText(speaking(), { code: "brand_new", message: "It broke." }), /It broke\./);
});

test("no error text shows an empty place, or the model that happens to be selected", () => {
  const codes = Object.keys(en).filter((key) => key.startsWith("error."));
  for (const language of ["en", "zh"]) {
    const app = { ...speaking(), state: { language, models: [] }, t: createTranslate(() => language) };
    for (const code of codes.map((key) => key.slice("error.".length))) {
      const text = errorText(app, { code, message: "The server's words." });
      assert.doesNotMatch(text, /\{\w+\}|small|undefined|null|\?$/, code);
    }
  }
});

test("no error text speaks of what was typed: it may be about a thumb or a title", () => {
  for (const texts of [en, zh]) {
    const told = Object.keys(texts).filter((key) => key.startsWith("error.") && /your text|你输入/i.test(texts[key]));
    assert.deepEqual(told, []);
  }
});

test("an error of a model that it doesn't name is told without a name", () => {
  assert.equal(
    errorText(speaking(), { code: "worker_failed", message: "x" }),
    "This model couldn't be started. Try again, or choose another model.",
  );
});

test("an error whose details were not stored is told in the server's words", () => {
  const text = errorText(speaking(), { code: "not_enough_memory", message: "It needs 8 GB, 2 GB are free." });
  assert.match(text, /It needs 8 GB, 2 GB are free\./);
});

test("the summary names what differs, in the order of the panel", () => {
  const app = fakeApp();
  app.settings = () => ({ system_prompt: " Be brief. ", sampling: { seed: 0, temperature: 0, stop: ["#"] } });
  assert.deepEqual(settingsSummary(app), [
    "settings.set_system_prompt",
    "settings.set_temperature value=0",
    "settings.set_seed value=0",
    "settings.set_stop",
  ]);
  app.settings = () => ({ system_prompt: "  ", sampling: { seed: null, stop: [] } });
  assert.deepEqual(settingsSummary(app), []);
});

test("a name at the beginning of an error stays as it is written", () => {
  const several = { code: "invalid_import", message: "m", details: { reason: "several", repo: "tiny/Tiny-GGUF" } };
  assert.match(errorText(speaking(), several), /^tiny\/Tiny-GGUF /);
});

test("what pip says is not put into a Chinese sentence", () => {
  const details = { model_id: "x", reason: "pip", requirement: "llm-x==1.0", path: "/store/x.gguf", exit_code: 1 };
  const app = { ...speaking(), state: { language: "zh", models: [] }, t: createTranslate(() => "zh") };
  const text = errorText(app, { code: "fetch_failed", message: "pip could not …", details });
  assert.equal(
    text,
    "pip 无法下载 llm-x==1.0。请检查网络和 pip 的软件源设置（pip config list），也可以手动把文件放到：/store/x.gguf",
  );
});
