/** Datasets: those that there are, with what became stale, and the form of a new one. */
import { longTime, number } from "../i18n/format.js";
import { address } from "../page/api.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { DatasetForm } from "./dataset_form.js";
import { staleText } from "./dataset_request.js";
import { ImportedFiles } from "./imported_files.js";

/** A part of the page that is read from the server whenever it is opened. */
export class DatasetsView {
  /** @param {Object} app */
  constructor(app) {
    this.app = app;
    this.listing = null; // as in GET /api/datasets
    this.intro = h("p.p-muted");
    this.heading = h("h3");
    this.list = h("ul.p-datasets");
    this.none = h("p.p-muted");
    this.form = new DatasetForm(app, { built: () => this.#built() });
    this.imported = new ImportedFiles(app, { removed: () => void this.open() });
    const parts = [this.intro, this.none, this.list, this.heading, this.form.element, this.imported.element];
    this.element = h("section.p-datasets-view", {}, ...parts);
    app.on("language", () => this.listing && this.#draw());
    app.on("job-ended", (job) => job.kind === "build_dataset" && this.element.isConnected && void this.open());
  }

  /** Read the datasets and show them. */
  async open() {
    try {
      this.listing = await this.app.api.get("/api/datasets");
      this.#draw();
      await this.imported.open();
    } catch (error) {
      this.app.toast(this.app.errorText(error));
    }
  }

  #built() {
    this.app.toast(this.app.t("datasets.building"));
    void this.app.refreshJobs(); // which tell when it is ready
  }

  #draw() {
    const { app } = this;
    const { items, formats } = this.listing;
    this.intro.textContent = app.t("datasets.intro");
    this.heading.textContent = app.t("datasets.new");
    this.none.textContent = app.t("datasets.none");
    this.none.hidden = items.length > 0;
    this.list.replaceChildren(...items.map((item) => this.#item(item)));
    this.form.draw(formats);
    this.imported.draw();
  }

  #item(dataset) {
    const { app } = this;
    const rows = Object.entries(dataset.rows).map(([format, count]) =>
      h("li", {}, h("span", {}, format), h("span.p-dataset-count", {}, number(app, count))),
    );
    const counts = { judgements: number(app, dataset.judgements), chats: number(app, dataset.conversations) };
    const stale = staleText(app, dataset.stale);
    const name = encodeURIComponent(dataset.name);
    const archive = { href: address(`/api/datasets/${name}/archive`), download: `${dataset.name}.zip` };
    return h(
      "li.p-dataset",
      { dataset: { name: dataset.name } },
      h("div.p-dataset-head", {}, h("strong", {}, dataset.name), h("span.p-muted", {}, longTime(app, dataset.created_at))),
      h("p.p-muted", {}, app.t("datasets.made_of", counts)),
      h("ul.p-dataset-formats-list", {}, ...rows),
      stale && h("p.p-note.p-note-warning", {}, stale),
      h(
        "div.p-dataset-foot",
        {},
        h("a.p-button.p-small", archive, app.t("datasets.download")),
        textButton(app.t("datasets.delete"), (event) => void this.#delete(dataset, event.currentTarget), "p-small"),
      ),
    );
  }

  // A second press deletes: the feedback stays, but the files are gone for good.
  async #delete(dataset, button) {
    const { app } = this;
    if (!button.hasAttribute("data-sure")) {
      button.setAttribute("data-sure", "");
      button.textContent = app.t("datasets.delete_sure");
      return;
    }
    try {
      await app.api.delete(`/api/datasets/${encodeURIComponent(dataset.name)}`);
      app.toast(app.t("datasets.deleted", { name: dataset.name }));
    } catch (error) {
      app.toast(app.errorText(error));
    }
    await this.open();
  }
}
