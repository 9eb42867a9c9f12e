/** The box at a conversation's menu: links to a frozen copy of it. */
import { carefulButton, choice, field, tick } from "../account/fields.js";
import { shownOnce, wholeAddress } from "../account/shown_once.js";
import { hasLogin } from "../account/who.js";
import { longTime } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { placePopover, showPopover } from "../widgets/popover.js";

const HOURS = [24, 168, 720, 8760];

/**
 * @param {Object} app
 * @param {HTMLElement} anchor
 * @param {Object} conversation
 */
export function showShareBox(app, anchor, conversation) {
  const box = new ShareBox(app, conversation, () => placePopover(popover.element, anchor));
  const popover = showPopover(anchor, {
    title: app.t("share.title"),
    close: app.t("app.close"),
    content: [box.element],
    className: "p-share-box",
  });
  void box.load();
}

class ShareBox {
  constructor(app, conversation, grown) {
    this.app = app;
    this.path = `/api/conversations/${conversation.id}/shares`;
    this.grown = grown;
    this.made = h("div");
    this.list = h("ul.p-entries");
    this.element = h("div.p-stack", {}, h("p.p-muted", {}, app.t("share.hint")), this.made, this.#form(), this.list);
  }

  async load() {
    const { app } = this;
    try {
      const links = await app.api.get(this.path);
      this.list.replaceChildren(...links.map((link) => this.#link(link)));
      this.grown();
    } catch (error) {
      app.toast(app.errorText(error));
    }
  }

  #form() {
    const { app } = this;
    const hours = choice(app.t("people.valid"), HOURS.map((count) => [String(count), app.t(`people.hours_${count}`)]), "168");
    const passcode = field(app.t("share.passcode"), { minlength: 4, maxlength: 100, autocomplete: "off" });
    const name = tick(app.t("share.with_name"));
    const onsubmit = (event) => {
      event.preventDefault();
      const wanted = { valid_hours: Number(hours.input.value), with_name: name.input.checked };
      void this.#make(passcode.input.value ? { ...wanted, passcode: passcode.input.value } : wanted);
    };
    const button = h("button.p-button.p-primary.p-small", { type: "submit" }, app.t("share.make"));
    const fields = h("div.p-line", {}, hours.element, passcode.element);
    return h("form.p-stack", { onsubmit }, fields, hasLogin(app) && name.element, h("div", {}, button));
  }

  async #make(options) {
    const { app } = this;
    try {
      const { path } = await app.api.post(this.path, options);
      this.made.replaceChildren(shownOnce(app, app.t("share.once"), wholeAddress(path, location.href)));
    } catch (error) {
      app.toast(app.errorText(error));
    }
    await this.load();
  }

  #link(link) {
    const { app } = this;
    const withdraw = async () => {
      try {
        await app.api.delete(`/api/shares/${link.id}`);
        this.made.replaceChildren();
      } catch (error) {
        app.toast(app.errorText(error));
      }
      await this.load();
    };
    const facts = [app.t("people.until", { at: longTime(app, link.expires_at) }), link.passcode && app.t("share.has_passcode")];
    const text = h("span", {}, facts.filter(Boolean).join(" · "));
    return h("li.p-entry", {}, text, carefulButton(app.t("people.withdraw"), app.t("account.sure"), () => void withdraw()));
  }
}
