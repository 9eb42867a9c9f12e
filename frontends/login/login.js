/** The login page: signs in, or uses the one-time link in its address. */
import { linkForm, sentenceWithWayOut, signInForm } from "./forms.js";
import { nextAddress, tokenIn } from "./next_address.js";
import { preferredLanguage, rememberLanguage, text } from "./texts.js";

const LOCALES = { en: "en", zh: "zh-CN" };
const FIELDS = { username_taken: "username", invalid_request: "username" }; // what to change after an error
const main = document.getElementById("login");
const languageButton = document.getElementById("language");
const typed = {};
const token = tokenIn(location.hash);
let language = preferredLanguage();
let purpose = null; // of the one-time link
let refused = null; // why it can't be used
let elsewhere = null; // a service to sign in at

const t = (key, values) => text(language, key, values);

if (location.hash) history.replaceState(null, "", location.pathname + location.search); // a secret stays in no history

async function call(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  try {
    const answer = await fetch(`./api/${path}`, { method, headers, body: body && JSON.stringify(body) });
    const found = await answer.json();
    return answer.ok ? { found } : { error: found.error ?? { code: "unknown" } };
  } catch {
    return { error: { code: "unreachable" } };
  }
}

function sentence(error) {
  return t(error.code, error.details);
}

async function entered(calling) {
  const { error } = await calling;
  if (error) return { problem: sentence(error), field: FIELDS[error.code] ?? "password" };
  location.replace(nextAddress(location.search));
  return null;
}

function draw() {
  document.documentElement.lang = LOCALES[language];
  languageButton.textContent = t("language");
  languageButton.setAttribute("aria-label", t("language_label"));
  main.replaceChildren(content());
  document.title = `${main.querySelector("h1")?.textContent ?? t("sign_in")} · Parley`;
  main.querySelector("input:not([hidden])")?.focus();
  document.documentElement.dataset.ready = "";
}

function content() {
  if (refused) return sentenceWithWayOut(t, sentence(refused), () => ((refused = null), draw()));
  if (purpose) return linkForm(t, typed, purpose, (values) => entered(call("POST", "links/use", { token, ...values })));
  return signInForm(t, typed, elsewhere, (values) => entered(call("POST", "session", values)));
}

languageButton.addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  rememberLanguage(language);
  draw();
});

async function start() {
  if (token) {
    const { found, error } = await call("POST", "links/look", { token });
    purpose = found ?? null;
    refused = error ?? null;
  } else {
    const { found } = await call("GET", "session");
    if (found?.user) return location.replace(nextAddress(location.search)); // signed in, or no login is needed
    if (found?.sso) elsewhere = { name: found.sso, address: `./login/oidc${location.search}` };
  }
  draw();
}

// A one-time link that is pasted into the address of this page.
addEventListener("hashchange", () => location.reload());

void start();
