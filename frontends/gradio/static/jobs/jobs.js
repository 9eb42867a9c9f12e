/** The user's jobs, kept up to date by events while somebody looks at them or one of them is active. */
import { NeededStream } from "../page/needed_stream.js";
import { isActive } from "./job_state.js";

/**
 * Add to `app` the list `state.jobs` (the newest first), and the functions `refreshJobs` and `followJobs`. It emits
 * "jobs" after each change and "job-ended" with each job that ends while it is followed.
 * @param {Object} app
 */
export function addJobs(app) {
  let isFollowed = () => false; // whether the list is visible
  app.state.jobs = [];
  const isNeeded = () => isFollowed() || app.state.jobs.some(isActive);
  const stream = new NeededStream({
    path: () => "/api/jobs/events",
    names: ["jobs", "job", "removed"],
    isNeeded,
    onEvent: received,
  });

  function show(jobs) {
    const wasActive = new Set(app.state.jobs.filter(isActive).map(({ id }) => id));
    app.state.jobs = jobs;
    app.emit("jobs", jobs);
    for (const job of jobs) if (wasActive.has(job.id) && !isActive(job)) app.emit("job-ended", job);
    stream.open();
  }

  function received(name, data) {
    const { jobs } = app.state;
    if (name === "jobs") show(data.items);
    else if (name === "removed") show(jobs.filter(({ id }) => id !== data.id));
    else show(withJob(jobs, data.job));
  }

  /** Read the list; what is active in it is followed. For when this page has started a job. */
  app.refreshJobs = async () => {
    stream.close(); // its events may be older than the response; it opens again afterwards
    try {
      show((await app.api.get("/api/jobs")).items);
    } catch {
      stream.open(); // the list is read again when it is opened, or the server is back
    }
  };

  /** Receive changes for as long as `isVisible` returns true; active jobs are followed in any case. */
  app.followJobs = (isVisible) => {
    isFollowed = isVisible;
    stream.open();
  };

  app.on("connection", (up) => up && app.refreshJobs());
  app.on("models", (models) => {
    const isListed = (model) => app.state.jobs.some((job) => isActive(job) && job.parameters.model_id === model.id);
    if (models.some((model) => model.state === "fetching" && !isListed(model))) void app.refreshJobs();
  });
}

/** `jobs` with `next` in place of the job with its id, or as the newest. */
function withJob(jobs, next) {
  const isKnown = jobs.some(({ id }) => id === next.id);
  if (isKnown) return jobs.map((job) => (job.id === next.id ? next : job));
  return [next, ...jobs].sort((one, other) => (one.id < other.id ? 1 : -1));
}
