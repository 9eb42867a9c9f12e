/** Files of training data that were imported: their rows are no chats, so this is where they can be removed. */
import { number } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";

/** A list that is hidden while there are none. */
export class ImportedFiles {
  /**
   * @param {Object} app
   * @param {Object} heard `removed()`: datasets may have become stale
   */
  constructor(app, { removed }) {
    this.app = app;
    this.removed = removed;
    this.items = []; // as in GET /api/imported-files
    this.heading = h("h3");
    this.list = h("ul.p-datasets");
    this.element = h("section.p-imported-files", { hidden: true }, this.heading, this.list);
  }

  /** Read the files and show them. Raises what the request raises. */
  async open() {
    this.items = (await this.app.api.get("/api/imported-files")).items;
    this.draw();
  }

  /** Show them, in the page's language. */
  draw() {
    this.element.hidden = this.items.length === 0;
    this.heading.textContent = this.app.t("datasets.imported");
    this.list.replaceChildren(...this.items.map((file) => this.#item(file)));
  }

  #item(file) {
    const { app } = this;
    return h(
      "li.p-dataset",
      { dataset: { file: file.name } },
      h(
        "div.p-dataset-head",
        {},
        h("strong", {}, file.name || app.t("datasets.imported_unnamed")),
        h("span.p-muted", {}, app.t("datasets.imported_rows", { rows: number(app, file.rows) })),
      ),
      h(
        "div.p-dataset-foot",
        {},
        textButton(app.t("datasets.imported_remove"), (event) => void this.#remove(file, event.currentTarget), "p-small"),
      ),
    );
  }

  // A second press removes: the rows and their judgements are gone for good.
  async #remove(file, button) {
    const { app } = this;
    if (!button.hasAttribute("data-sure")) {
      button.setAttribute("data-sure", "");
      button.textContent = app.t("datasets.imported_sure");
      return;
    }
    button.disabled = true;
    try {
      const { rows } = await app.api.delete(`/api/imported-files?name=${encodeURIComponent(file.name)}`);
      app.toast(app.t("datasets.imported_removed", { rows: number(app, rows) }));
    } catch (error) {
      app.toast(app.errorText(error));
    }
    this.removed();
  }
}
