/** The tab Account: name, password, sessions and API keys of whoever is signed in. */
import { longTime } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { deviceText } from "./devices.js";
import { carefulButton, field, tick } from "./fields.js";
import { shownOnce } from "./shown_once.js";
import { isAdmin, isMember } from "./who.js";

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

  async #load() {
    const { app } = this;
    try {
      const read = ["/api/account", "/api/account/sessions", "/api/account/keys"].map((path) => app.api.get(path));
      const [account, sessions, keys] = await Promise.all(read);
      this.data = { account, sessions, keys };
      this.#draw();
    } catch (error) {
      app.toast(app.errorText(error));
    }
  }

  async #do(work, said) {
    const { app } = this;
    try {
      await work();
      if (said) app.toast(app.t(said));
    } catch (error) {
      app.toast(app.errorText(error));
      return;
    }
    await this.#load();
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
    const save = textButton(app.t("account.save"), () => void this.#rename(name.input.value), "p-small");
    this.profile.replaceChildren(
      h("h2", {}, account.username),
      h("p.p-muted", {}, app.t(`account.role_${account.role}`)),
      h("div.p-line", {}, name.element, save),
    );
  }

  #rename(name) {
    const { app } = this;
    return this.#do(async () => {
      await app.api.patch("/api/account", { name });
      app.state.info = await app.api.get("/api/info");
      app.emit("info", app.state.info);
    }, "account.saved");
  }

  #drawPassword() {
    const { app } = this;
    const current = field(app.t("account.current_password"), { type: "password", autocomplete: "current-password", required: true });
    const next = field(app.t("account.new_password"), { type: "password", autocomplete: "new-password", required: true });
    const onsubmit = (event) => {
      event.preventDefault();
      const body = { current: current.input.value, new: next.input.value };
      void this.#do(() => app.api.put("/api/account/password", body), "account.password_changed");
    };
    const button = h("button.p-button.p-small", { type: "submit" }, app.t("account.change_password"));
    this.password.replaceChildren(
      h("h3", {}, app.t("account.password")),
      h("p.p-muted", {}, app.t("account.password_hint")),
      h("form.p-stack", { onsubmit }, current.element, next.element, h("div", {}, button)),
    );
  }

  #drawSessions() {
    const { app } = this;
    const { sessions } = this.data;
    const rows = sessions.map((session) => this.#session(session));
    const others = carefulButton(
      app.t("account.end_others"),
      app.t("account.sure"),
      () => void this.#do(() => app.api.delete("/api/account/sessions"), "account.ended_others"),
    );
    this.sessions.replaceChildren(
      h("h3", {}, app.t("account.sessions")),
      h("ul.p-entries", {}, ...rows),
      ...(sessions.length > 1 ? [others] : []),
    );
  }

  #session(session) {
    const { app } = this;
    const used = session.current ? app.t("account.this_browser") : app.t("account.last_used", { at: longTime(app, session.last_used_at) });
    const end = () => void this.#do(() => app.api.delete(`/api/account/sessions/${session.id}`));
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
    this.keys.replaceChildren(
      h("h3", {}, app.t("account.keys")),
      h("p.p-muted", {}, app.t("account.keys_hint")),
      ...(this.made ? [shownOnce(app, app.t("account.key_once"), this.made)] : []),
      h("ul.p-entries", {}, ...rows),
      this.#newKey(),
    );
  }

  #key(key) {
    const { app } = this;
    const scopes = key.scopes.map((scope) => app.t(`account.scope_${scope}`)).join(" · ");
    const used = key.last_used_at ? app.t("account.last_used", { at: longTime(app, key.last_used_at) }) : app.t("account.never_used");
    const revoke = () => void this.#do(() => app.api.delete(`/api/account/keys/${key.id}`), "account.key_revoked");
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
    return this.#do(async () => {
      this.made = (await this.app.api.post("/api/account/keys", { name, scopes })).key;
    });
  }
}
