/** The tab People, for administrators: accounts, and invitations. */
import { longTime } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { carefulButton, choice, field, heading, keepsFocus, redrawCard } from "./fields.js";
import { goToSecret, shownOnce, wholeAddress } from "./shown_once.js";

const ROLES = ["admin", "member", "guest"];
const HOURS = [24, 72, 168, 720];

/** @returns {{element: HTMLElement, show: () => void, hide: () => void}} */
export function peopleTab(app) {
  return new PeopleTab(app);
}

class PeopleTab {
  constructor(app) {
    this.app = app;
    this.link = null; // {advice, address}: the link that was just made
    this.invitations = h("section.p-card");
    this.accounts = h("section.p-card");
    this.element = h("div.p-cards", {}, this.invitations, this.accounts);
    app.on("language", () => this.element.isConnected && this.data && this.#draw());
  }

  show() {
    void this.#load();
  }

  /** A link that was shown is not shown again. */
  hide() {
    this.link = null;
    if (this.data) this.#drawInvitations();
  }

  async #load() {
    const { app } = this;
    try {
      this.data = await app.api.get("/api/users");
      this.#draw();
    } catch (error) {
      app.toast(app.errorText(error));
    }
  }

  async #do(work) {
    let isDone = true;
    try {
      await work();
    } catch (error) {
      isDone = false;
      this.app.toast(this.app.errorText(error));
    }
    await this.#load();
    return isDone;
  }

  #draw() {
    this.#drawInvitations();
    this.#drawAccounts();
  }

  #drawInvitations() {
    const { app } = this;
    redrawCard(
      this.invitations,
      heading("h3", app.t("people.invite")),
      this.link && shownOnce(app, this.link.advice, this.link.address),
      this.#form(),
      h("ul.p-entries", {}, ...this.data.links.map((link) => this.#pending(link))),
    );
  }

  #form() {
    const { app } = this;
    const role = choice(app.t("people.role"), ROLES.map((name) => [name, app.t(`account.role_${name}`)]), "member");
    const hours = choice(app.t("people.valid"), HOURS.map((count) => [String(count), app.t(`people.hours_${count}`)]), "72");
    const note = field(app.t("people.note"), { maxlength: 100, autocomplete: "off", dir: "auto" });
    const onsubmit = (event) => {
      event.preventDefault();
      const body = { role: role.input.value, note: note.input.value, valid_hours: Number(hours.input.value) };
      void this.#link("people.link_once", "/api/links", body);
    };
    const button = h("button.p-button.p-primary.p-small", { type: "submit" }, app.t("people.make_link"));
    return h("form.p-line", { onsubmit }, role.element, hours.element, note.element, button);
  }

  /** Make a link and lead to it: its button may be far below. */
  async #link(advice, path, body) {
    const { app } = this;
    const made = await this.#do(async () => {
      const { path: secret } = await app.api.post(path, body);
      this.link = { advice: app.t(advice), address: wholeAddress(secret, location.href) };
    });
    if (made) goToSecret(this.invitations);
  }

  #pending(link) {
    const { app } = this;
    const of = this.data.users.find(({ id }) => id === link.user_id);
    const title = of ? app.t("people.reset_of", { name: of.username }) : link.note || app.t("people.invitation");
    const facts = [!of && app.t(`account.role_${link.role}`), app.t("people.until", { at: longTime(app, link.expires_at) })];
    const withdraw = () => {
      this.link = null; // perhaps it is this one
      void this.#do(() => app.api.delete(`/api/links/${link.id}`));
    };
    return h(
      "li.p-entry",
      {},
      h("div", {}, h("strong", { dir: "auto" }, title), h("p.p-muted", {}, facts.filter(Boolean).join(" · "))),
      carefulButton(app.t("people.withdraw"), app.t("account.sure"), withdraw),
    );
  }

  #drawAccounts() {
    const { app } = this;
    redrawCard(
      this.accounts,
      heading("h3", app.t("people.accounts")),
      h("ul.p-entries", {}, ...this.data.users.map((user) => this.#account(user))),
    );
  }

  #account(user) {
    const { app } = this;
    const isSelf = user.id === app.state.info?.user?.id;
    const seen = user.sessions[0] ? app.t("account.last_used", { at: longTime(app, user.sessions[0].last_used_at) }) : app.t("people.not_signed_in");
    const name = user.name && user.name !== user.username ? `${user.name} (${user.username})` : user.username;
    const facts = [app.t(`account.role_${user.role}`), user.disabled ? app.t("people.disabled") : seen];
    return h(
      "li.p-entry",
      { dataset: { user: user.username } },
      h("div", {}, h("strong", { dir: "auto" }, name), h("p.p-muted", {}, facts.join(" · "))),
      isSelf ? h("span.p-tag", {}, app.t("people.you")) : h("div.p-line", {}, ...this.#actions(user)),
    );
  }

  #actions(user) {
    const { app } = this;
    const change = (values) => void this.#do(() => app.api.patch(`/api/users/${user.id}`, values));
    const roles = ROLES.map((name) => [name, app.t(`account.role_${name}`)]);
    const role = choice(app.t("people.role"), roles, user.role, (value) => change({ role: value }));
    const reset = () => void this.#link("people.reset_once", `/api/users/${user.id}/reset`);
    const signOut = () => void this.#do(() => app.api.delete(`/api/users/${user.id}/sessions`));
    const able = user.disabled
      ? carefulButton(app.t("people.enable"), app.t("account.sure"), () => change({ disabled: false }))
      : carefulButton(app.t("people.disable"), app.t("account.sure"), () => change({ disabled: true }));
    keepsFocus(role.input, `role-${user.id}`);
    keepsFocus(able, `able-${user.id}`);
    return [
      role.element,
      carefulButton(app.t("people.reset"), app.t("account.sure"), reset),
      user.sessions.length > 0 && carefulButton(app.t("people.sign_out"), app.t("account.sure"), signOut),
      able,
    ];
  }
}
