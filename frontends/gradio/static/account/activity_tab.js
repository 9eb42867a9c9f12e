/** The tab Activity, for administrators: the audit log in words. */
import { longTime } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { actText } from "./acts.js";

const AT_ONCE = 50;

/** @returns {{element: HTMLElement, show: () => void}} */
export function activityTab(app) {
  return new ActivityTab(app);
}

class ActivityTab {
  constructor(app) {
    this.app = app;
    this.entries = [];
    this.list = h("ul.p-entries");
    this.more = textButton("", () => void this.#read(this.entries.at(-1)?.sequence), "p-small");
    this.element = h("div.p-cards", {}, h("section.p-card", {}, this.list, this.more));
    app.on("language", () => this.element.isConnected && this.#draw());
  }

  show() {
    this.entries = [];
    void this.#read();
  }

  async #read(before) {
    const { app } = this;
    try {
      const query = before ? `&before=${before}` : "";
      const found = await app.api.get(`/api/audit?limit=${AT_ONCE}${query}`);
      this.entries.push(...found);
      this.more.hidden = found.length < AT_ONCE;
      this.#draw();
    } catch (error) {
      app.toast(app.errorText(error));
    }
  }

  #draw() {
    const { app } = this;
    this.more.textContent = app.t("activity.more");
    this.list.replaceChildren(
      ...this.entries.map((entry) =>
        h(
          "li.p-entry",
          {},
          h("div", {}, h("span", { dir: "auto" }, actText(app, entry)), h("p.p-muted", {}, `${this.#who(entry)} · ${longTime(app, entry.at)}`)),
        ),
      ),
    );
  }

  #who(entry) {
    return entry.actor_id ? entry.actor : this.app.t("activity.command_line");
  }
}
