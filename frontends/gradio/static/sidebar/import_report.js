/** What came of an import, in words. */
import { joined, number } from "../i18n/format.js";

/**
 * @param {Object} app
 * @param {"chats"|"rows"|"conversations"|"messages"|"judgements"|"known"|"left_out"|"skipped"} what
 * @param {number} count
 * @returns {string} e.g. "12 chats"
 */
export function counted(app, what, count) {
  return app.t(`imports.${what}_${count === 1 ? "one" : "other"}`, { count: number(app, count) });
}

/**
 * The sentence of the toast, e.g. "Imported 12 chats, 30 judgements; 3 messages were left out."
 * @param {Object} app
 * @param {import("./imports.js").Outcome[]} outcomes
 * @returns {string}
 */
export function summaryOf(app, outcomes) {
  const reports = outcomes.flatMap(({ report }) => report ?? []);
  const problems = outcomes.flatMap(({ problem }) => problem ?? []);
  if (!reports.length) return problems.length === 1 ? problems[0] : app.t("imports.none");
  const rest = [
    ["known", reports.reduce((count, { known }) => count + known, 0)],
    ["left_out", sum(reports, "left_out")],
    ["skipped", sum(reports, "skipped")],
    ["files", problems.length],
  ].flatMap(([what, count]) => (count ? counted(app, what, count) : []));
  if (reports.some(({ stopped }) => stopped)) rest.push(app.t("imports.stopped"));
  const taken = takenOf(app, reports);
  if (!taken) return app.t("imports.done_nothing", { rest: joined(app, rest) });
  return app.t(rest.length ? "imports.done_partly" : "imports.done", { taken, rest: joined(app, rest) });
}

/** What was taken: chats, rows of datasets and judgements, those that there are; "" if nothing was. */
function takenOf(app, reports, names = ["chats", "rows", "judgements"]) {
  const total = (name) => reports.reduce((count, report) => count + report[name], 0);
  const counts = { judgements: total("ratings") + total("rankings") };
  for (const name of ["chats", "rows", "messages"]) counts[name] = total(name);
  return joined(app, names.flatMap((name) => (counts[name] ? counted(app, name, counts[name]) : [])));
}

function sum(reports, name) {
  return reports.flatMap((report) => Object.values(report[name])).reduce((a, b) => a + b, 0);
}

/** @returns {boolean} whether there is more to tell than the sentence */
export function hasDetails(outcomes) {
  const told = ({ report }) => report.rows || ["left_out", "changed", "skipped"].some((name) => Object.keys(report[name]).length);
  if (outcomes.length === 1 && outcomes[0].problem) return false;
  return outcomes.some((one) => one.problem || one.report.stopped || told(one));
}

/**
 * One line for each thing that was not taken as it is.
 * @param {Object} app
 * @param {import("./imports.js").Outcome[]} outcomes
 * @returns {string[]}
 */
export function detailsOf(app, outcomes) {
  return outcomes.flatMap(({ name, report, problem }) => (report ? linesOf(app, name, report) : [problem]));
}

function linesOf(app, name, report) {
  const taken = takenOf(app, [report], ["chats", "rows", "messages", "judgements"]);
  const lines = [app.t("imports.taken", { name, taken: taken || counted(app, "chats", 0) })];
  if (report.known) lines.push(app.t("imports.known_count", { count: number(app, report.known) }));
  for (const [reason, count] of Object.entries(report.left_out)) {
    lines.push(app.t(`imports.left_out_${reason}`, { count: number(app, count) }));
  }
  for (const [reason, count] of Object.entries(report.changed)) {
    lines.push(app.t(`imports.changed_${reason}`, { count: number(app, count) }));
  }
  for (const item of report.skipped_items) {
    const what = [item.name, item.title].filter(Boolean).join(" · ") || app.t("app.untitled");
    lines.push(app.t("imports.skipped_item", { what, reason: app.t(`imports.reason_${item.reason}`) }));
  }
  const steps = report.skipped.no_vote ?? 0;
  if (steps) lines.push(app.t("imports.skipped_no_vote", { count: number(app, steps) }));
  const unnamed = sum([report], "skipped") - report.skipped_items.length - steps;
  if (unnamed > 0) lines.push(app.t("imports.skipped_more", { count: number(app, unnamed) }));
  if (report.stopped) lines.push(app.errorText(report.stopped));
  return lines;
}
