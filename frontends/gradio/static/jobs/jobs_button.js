/** The button in the sidebar that shows the jobs: downloads, imports and conversions, those that run and the last ones. */
import { h } from "../page/dom.js";
import { iconButton, nameButton } from "../widgets/buttons.js";
import { closePopover, showPopover } from "../widgets/popover.js";
import { JobRow } from "./job_row.js";
import { isActive, jobStatus, jobTitle } from "./job_state.js";

/**
 * @param {Object} app
 * @returns {HTMLElement}
 */
export function jobsButton(app) {
  return new JobsButton(app).element;
}

class JobsButton {
  constructor(app) {
    this.app = app;
    this.rows = new Map();
    this.popover = null;
    this.element = iconButton("tasks", "", () => this.#toggle(), { class: "p-icon p-jobs-button" });
    this.list = h("ul.p-jobs");
    this.none = h("p.p-muted");
    app.on("jobs", () => this.draw());
    app.on("job-ended", (job) => this.#announce(job));
    app.on("language", () => {
      closePopover();
      this.draw();
    });
    this.draw();
  }

  get #isOpen() {
    return Boolean(this.popover?.element.isConnected);
  }

  /** Draw the button, and the list while it is open. */
  draw() {
    const { app } = this;
    const count = app.state.jobs.filter(isActive).length;
    this.element.toggleAttribute("data-active", count > 0);
    nameButton(this.element, count ? app.t("jobs.title_active", { count }) : app.t("jobs.title"));
    if (this.#isOpen) this.#drawList();
  }

  #drawList() {
    const { app, rows } = this;
    const { jobs } = app.state;
    const listed = new Set(jobs.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (listed.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    jobs.forEach((job, at) => {
      if (!rows.has(job.id)) rows.set(job.id, new JobRow(app, (action, one) => void this.#act(action, one)));
      const row = rows.get(job.id);
      row.update(job);
      if (this.list.children[at] !== row.element) this.list.insertBefore(row.element, this.list.children[at] ?? null);
    });
    this.none.textContent = app.t("jobs.none");
    this.none.hidden = jobs.length > 0;
  }

  #toggle() {
    if (this.#isOpen) return closePopover();
    this.rows.clear();
    this.list.replaceChildren();
    this.#drawList();
    const { app } = this;
    const options = { title: app.t("jobs.title"), close: app.t("app.close"), content: [this.none, this.list] };
    this.popover = showPopover(this.element, { ...options, className: "p-jobs-box" });
    app.followJobs(() => this.#isOpen);
  }

  async #act(action, job) {
    const { app } = this;
    try {
      if (action === "forget") await app.api.delete(`/api/jobs/${job.id}`);
      else await app.api.post(`/api/jobs/${job.id}/${action}`);
      await app.refreshJobs();
      if (action === "forget") this.popover?.element.focus({ preventScroll: true });
    } catch (error) {
      app.toast(app.errorText(error));
    }
  }

  /** Tell of the end of a job that nobody is looking at; the picker tells of downloads. */
  #announce(job) {
    const { app } = this;
    if (this.#isOpen || job.kind === "fetch" || job.state === "cancelled") return;
    app.toast(app.t("jobs.ended", { job: jobTitle(app, job), status: jobStatus(app, job) }));
  }
}
