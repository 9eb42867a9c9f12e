import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { actText } from "../../frontends/gradio/static/account/acts.js";
import { deviceText } from "../../frontends/gradio/static/account/devices.js";
import { wholeAddress } from "../../frontends/gradio/static/account/shown_once.js";
import { ACCOUNT_TABS } from "../../frontends/gradio/static/account/tabs.js";
import { hasLogin, isAdmin, isMember, ownName } from "../../frontends/gradio/static/account/who.js";
import { FEEDBACK_TABS } from "../../frontends/gradio/static/feedback/tabs.js";
import { createTranslate } from "../../frontends/gradio/static/i18n/language.js";
import { fakeApp } from "./fakes.js";

const AUTH = fileURLToPath(new URL("../../app/auth/", import.meta.url));
const as = (role, login = true) => fakeApp({ info: { login, user: { id: "u1", username: "u", name: "", role } } });
const offered = (tabs, app) => tabs.filter((tab) => tab.offered(app)).map(({ name }) => name);

test("each role is offered what the server lets it do", () => {
  assert.deepEqual(offered(ACCOUNT_TABS, as("admin")), ["account", "people", "activity"]);
  for (const role of ["member", "guest"]) {
    assert.deepEqual(offered(ACCOUNT_TABS, as(role)), ["account"]);
    assert.deepEqual(offered(FEEDBACK_TABS, as(role)), []);
  }
  assert.deepEqual(["admin", "member", "guest"].map((role) => isMember(as(role))), [true, true, false]);
});

test("without a login nothing of accounts is shown, and nothing else is missing", () => {
  const app = as("admin", false);
  assert.deepEqual([offered(ACCOUNT_TABS, app), hasLogin(app), isAdmin(app), isMember(app)], [[], false, true, true]);
  assert.equal(offered(FEEDBACK_TABS, app).length, FEEDBACK_TABS.length);
});

test("people are called by their name, or else by their user name", () => {
  const named = fakeApp({ info: { login: true, user: { username: "ann", name: "Ann Lee" } } });
  assert.deepEqual([ownName(named), ownName(as("member")), ownName(fakeApp())], ["Ann Lee", "u", ""]);
});

test("a link is told as the whole address, below whatever path the page has", () => {
  const tried = ["https://chat.example/", "https://chat.example/?c=1&view=people#x", "https://chat.example/below/?view=people"];
  assert.deepEqual(
    tried.map((page) => wholeAddress("/login#SECRET", page)),
    ["https://chat.example/login#SECRET", "https://chat.example/login#SECRET", "https://chat.example/below/login#SECRET"],
  );
});

test("browsers are told in plain words", () => {
  const app = fakeApp();
  const tried = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
    "curl/8.5.0",
    "",
  ];
  assert.deepEqual(
    tried.map((userAgent) => deviceText(app, userAgent)),
    [
      "account.device browser=Firefox system=Linux",
      "account.device browser=Edge system=Windows",
      "account.device browser=Safari system=iPhone",
      "account.device browser=Chrome system=Android",
      "curl/8.5.0",
      "account.device_unknown",
    ],
  );
});

test("every act that the server notes is told in words, in both languages", () => {
  const code = readdirSync(AUTH, { recursive: true })
    .filter((name) => name.endsWith(".py"))
    .map((name) => readFileSync(AUTH + name, "utf8"))
    .join("\n");
  const noted = [...code.matchAll(/audit\.add\(\s*[\w()]+,\s*"(\w+)"(?: if \w+ else "(\w+)")?/g)];
  const actions = [...new Set(noted.flatMap(([, one, other]) => [one, other]).filter(Boolean))];
  assert.equal(noted.length, code.split("audit.add(").length - 1);
  assert.ok(actions.includes("account_disabled") && actions.includes("account_enabled"));
  for (const language of ["en", "zh"]) {
    const app = { t: createTranslate(() => language) };
    for (const action of actions) {
      const told = actText(app, { action, target: "TARGET", details: { role: "member", to: "guest" } });
      assert.doesNotMatch(told, /_|undefined|\{/, action);
    }
  }
  const changed = { action: "role_changed", target: "bob", details: { from: "member", to: "admin" } };
  assert.equal(actText({ t: createTranslate(() => "en") }, changed), "bob's role was changed to Administrator");
});
