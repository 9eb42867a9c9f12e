/** The tab Account: name, password, sessions and API keys of whoever is signed in. */
import { longTime } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { deviceText } from "./devices.js";
import { carefulButton, field, heading, keepsFocus, redrawCard, tick } from "./fields.js";
import { passwordCard } from "./password_card.js";
import { goToSecret, shownOnce } from "./shown_once.js";
import { allowsTraining, isAdmin, isMember, refreshWho } from "./who.js";

const SCOPES = ["openai", "api", "admin"];

/** @returns {{element: HTMLElement, show: () => void, hide: () => void}} */
export function accountTab(app) {
  return new AccountTab(app);
}

class AccountTab {
  constructor(app) {
    this.app = app;
    this.made = null; // the key that was just made
    this.profile = h("section.p-card");
    this.password = h("section.p-card");
    this.sessions = h("section.p-card");
    this.keys = h("section.p-card");
    this.element = h("div.p-cards", {}, this.profile, this.password, this.sessions, this.keys);
    app.on("language", () => this.element.isConnected && this.data && this.#draw());
  }

  show() {
    void this.#load();
  }

  /** A key that was shown is not shown again. */
  hide() {
    this.made = null;
    if (this.data) this.#drawKeys();
  }

  async #load(draw = () => this.#draw()) {
    const { app } = this;
    try {
      const read = ["/api/account", "/api/account/sessions", "/api/account/keys"].map((path) => app.api.get(path));
      const [account, sessions, keys] = await Promise.all(read);
      this.data = { account, sessions, keys };
      draw();
    } catch (error) {
      app.toast(app.errorText(error));
    }
  }

  /** Change something, and draw only what changes with it: what is typed elsewhere stays. */
  async #do(work, draw, said) {
    const { app } = this;
    try {
      await work();
      if (said) app.toast(app.t(said));
    } catch (error) {
      app.toast(app.errorText(error));
      return;
    }
    await this.#load(draw);
  }

  #draw() {
    this.#drawProfile();
    this.#drawPassword();
    this.#drawSessions();
    this.#drawKeys();
  }

  #drawProfile() {
    const { app } = this;
    const { account } = this.data;
    const name = field(app.t("account.name"), { value: account.name, maxlength: 100, autocomplete: "name", dir: "auto" });
    const onsubmit = (event) => {
      event.preventDefault();
      void this.#rename(name.input.value);
    };
    const save = keepsFocus(h("button.p-button.p-small", { type: "submit" }, app.t("account.save")), "save");
    redrawCard(
      this.profile,
      heading("h2", account.username),
      h("p.p-muted", {}, app.t(`account.role_${account.role}`)),
      h("form.p-line", { onsubmit }, name.element, save),
      this.#training(),
    );
  }

  #training() {
    const { app } = this;
    const { element, input } = tick(app.t("account.training"), allowsTraining(app) ?? false);
    const change = async () => {
      await app.api.patch("/api/account", { allow_training: input.checked });
      await refreshWho(app);
    };
    input.addEventListener("change", () => void this.#do(change, () => this.#drawProfile()));
    return h("div", {}, keepsFocus(element, "training"), h("p.p-muted", {}, app.t("account.training_hint")));
  }

  #rename(name) {
    const { app } = this;
    const rename = async () => {
      await app.api.patch("/api/account", { name });
      await refreshWho(app);
    };
    return this.#do(rename, () => this.#drawProfile(), "account.saved");
  }

  #drawPassword() {
    const changed = () =>
      void this.#load(() => {
        this.#drawPassword();
        this.#drawSessions();
      });
    this.password.hidden = !this.data.account.has_password; // who signs in elsewhere has none here
    redrawCard(this.password, ...passwordCard(this.app, this.data.account.username, changed));
  }

  #drawSessions() {
    const { app } = this;
    const { sessions } = this.data;
    const rows = sessions.map((session) => this.#session(session));
    const others = carefulButton(
      app.t("account.end_others"),
      app.t("account.sure"),
      () => void this.#do(() => app.api.delete("/api/account/sessions"), () => this.#drawSessions(), "account.ended_others"),
    );
    redrawCard(
      this.sessions,
      heading("h3", app.t("account.sessions")),
      h("ul.p-entries", {}, ...rows),
      sessions.length > 1 && others,
    );
  }

  #session(session) {
    const { app } = this;
    const used = session.current ? app.t("account.this_browser") : app.t("account.last_used", { at: longTime(app, session.last_used_at) });
    const end = () =>
      void this.#do(() => app.api.delete(`/api/account/sessions/${session.id}`), () => this.#drawSessions());
    return h(
      "li.p-entry",
      {},
      h("div", {}, h("strong", {}, deviceText(app, session.device)), h("p.p-muted", {}, `${used} · ${session.address}`)),
      !session.current && textButton(app.t("account.end_session"), end, "p-small"),
    );
  }

  #drawKeys() {
    const { app } = this;
    this.keys.hidden = !isMember(app);
    const rows = this.data.keys.map((key) => this.#key(key));
    redrawCard(
      this.keys,
      heading("h3", app.t("account.keys")),
      h("p.p-muted", {}, app.t("account.keys_hint")),
      this.made && shownOnce(app, app.t("account.key_once"), this.made),
      h("ul.p-entries", {}, ...rows),
      this.#newKey(),
    );
  }

  #key(key) {
    const { app } = this;
    const scopes = key.scopes.map((scope) => app.t(`account.scope_${scope}`)).join(" · ");
    const used = key.last_used_at ? app.t("account.last_used", { at: longTime(app, key.last_used_at) }) : app.t("account.never_used");
    const revoke = () => {
      this.made = null; // perhaps it is this one
      void this.#do(() => app.api.delete(`/api/account/keys/${key.id}`), () => this.#drawKeys(), "account.key_revoked");
    };
    return h(
      "li.p-entry",
      {},
      h("div", {}, h("strong", { dir: "auto" }, key.name), h("p.p-muted", {}, `${scopes} · ${used}`)),
      carefulButton(app.t("account.revoke"), app.t("account.revoke_sure"), revoke),
    );
  }

  #newKey() {
    const { app } = this;
    const name = field(app.t("account.key_name"), { maxlength: 100, required: true, autocomplete: "off", dir: "auto" });
    const offered = SCOPES.filter((scope) => scope !== "admin" || isAdmin(app));
    const scopes = offered.map((scope) => [scope, tick(app.t(`account.scope_${scope}`), scope === "openai")]);
    const onsubmit = (event) => {
      event.preventDefault();
      const chosen = scopes.filter(([, { input }]) => input.checked).map(([scope]) => scope);
      void this.#make(name.input.value, chosen);
    };
    const button = h("button.p-button.p-small", { type: "submit" }, app.t("account.make_key"));
    return h("form.p-stack", { onsubmit }, name.element, h("div.p-ticks", {}, ...scopes.map(([, { element }]) => element)), h("div", {}, button));
  }

  #make(name, scopes) {
    const make = async () => {
      this.made = (await this.app.api.post("/api/account/keys", { name, scopes })).key;
    };
    const draw = () => {
      this.#drawKeys();
      goToSecret(this.keys);
    };
    return this.#do(make, draw);
  }
}
