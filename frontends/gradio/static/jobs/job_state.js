/** What a job does and how far it is, as short texts. */
import { bytes, number } from "../i18n/format.js";
import { hasText } from "../i18n/language.js";
import { errorText } from "../page/error_text.js";

const ACTIVE = new Set(["queued", "running"]);

/** @returns {boolean} whether it waits or runs */
export function isActive(job) {
  return ACTIVE.has(job.state);
}

/**
 * @param {Object} app
 * @param {Object} job as in GET /api/jobs
 * @returns {string} e.g. "Download Qwen3 4B"
 */
export function jobTitle(app, job) {
  const { title = "", to = "" } = job.parameters;
  const key = `jobs.kind_${job.kind}`;
  return hasText(key) ? app.t(key, { title, to }) : `${job.kind} ${title}`.trim();
}

/** @returns {string} what it is doing, or how it ended, e.g. "Downloading: 12 MB of 93 MB" */
export function jobStatus(app, job) {
  if (job.state === "failed") return jobError(app, job);
  if (isActive(job) && job.cancel_requested) return app.t("jobs.cancelling");
  if (job.state === "running" && job.progress) return progressText(app, job.progress);
  return app.t(`jobs.state_${job.state}`);
}

/** @returns {number|null} 0 to 1; null if it is unknown */
export function jobShare({ progress }) {
  return progress?.total ? Math.min(1, progress.done / progress.total) : null;
}

function progressText(app, { phase, done, total, unit }) {
  const figures = total ? app.t(`jobs.${unit}_of`, { done: amount(app, done, unit), total: amount(app, total, unit) }) : "";
  const key = `jobs.phase_${phase}`;
  const name = hasText(key) ? app.t(key) : app.t("jobs.state_running");
  return figures ? app.t("jobs.phase_with_figures", { phase: name, figures }) : name;
}

function amount(app, count, unit) {
  return unit === "bytes" ? bytes(app, count) : number(app, count);
}

function jobError(app, job) {
  const error = job.error ?? { code: "unknown", message: "" };
  const details = { ...error.details, model_id: error.details?.model_id ?? job.parameters.model_id };
  const key = `jobs.error_${error.code}`;
  // The page's usual text of such an error is about chats.
  if (hasText(key) && !details.reason) return app.t(key, { message: error.message });
  return errorText(app, { ...error, details });
}
