/** One job in the list: what it does, how far it is, and what can be done with it. */
import { shortTime } from "../i18n/format.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";
import { isActive, jobShare, jobStatus, jobTitle } from "./job_state.js";

/** Updated in place, so that the focus stays where it is. */
export class JobRow {
  /**
   * @param {Object} app
   * @param {(action: "cancel"|"resume"|"forget", job: Object) => void} act
   */
  constructor(app, act) {
    this.app = app;
    this.act = act;
    this.title = h("strong.p-job-title", { dir: "auto" });
    this.time = h("span.p-muted");
    this.progress = h("progress.p-progress", { max: "1" });
    this.status = h("p.p-job-status", { dir: "auto" });
    this.buttons = h("div.p-job-buttons");
    this.element = h(
      "li.p-job",
      {},
      h("div.p-job-head", {}, this.title, this.time),
      this.progress,
      this.status,
      this.buttons,
    );
  }

  /** @param {Object} job */
  update(job) {
    const { app } = this;
    this.job = job;
    this.element.dataset.job = job.id;
    this.element.dataset.state = job.state;
    this.title.textContent = jobTitle(app, job);
    this.time.textContent = shortTime(app, job.ended_at ?? job.created_at);
    this.status.textContent = jobStatus(app, job);
    this.status.toggleAttribute("data-failed", job.state === "failed");
    this.#drawProgress();
    this.#drawButtons();
  }

  #drawProgress() {
    const { job, progress } = this;
    const share = jobShare(job);
    progress.hidden = job.state !== "running";
    progress.setAttribute("aria-label", this.title.textContent);
    if (share === null) progress.removeAttribute("value");
    else progress.value = share;
  }

  #drawButtons() {
    const { app, job } = this;
    const resume = job.state === "failed" ? "jobs.again" : "jobs.resume";
    const wanted = isActive(job)
      ? [!job.cancel_requested && ["cancel", "jobs.cancel"]]
      : [job.resumable && ["resume", resume], ["forget", "jobs.dismiss"]];
    const entries = wanted.filter(Boolean);
    const look = entries.map(([action, key]) => action + app.t(key)).join();
    if (look === this.look) return;
    this.look = look;
    const focused = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(
      ...entries.map(([action, key]) => textButton(app.t(key), () => this.act(action, this.job), "p-small")),
    );
    if (focused) (this.buttons.firstElementChild ?? this.element.closest("[role=dialog]"))?.focus();
  }
}
