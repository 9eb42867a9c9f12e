/** What came of an import, in words. */
import { joined, number } from "../i18n/format.js";

/**
 * @param {Object} app
 * @param {"chats"|"messages"|"left_out"|"skipped"} what
 * @param {number} count
 * @returns {string} e.g. "12 chats"
 */
export function counted(app, what, count) {
  return app.t(`imports.${what}_${count === 1 ? "one" : "other"}`, { count: number(app, count) });
}

/**
 * The sentence of the toast, e.g. "Imported 12 chats; 3 messages were left out."
 * @param {Object} app
 * @param {import("./imports.js").Outcome[]} outcomes
 * @returns {string}
 */
export function summaryOf(app, outcomes) {
  const reports = outcomes.flatMap(({ report }) => report ?? []);
  const problems = outcomes.flatMap(({ problem }) => problem ?? []);
  if (!reports.length) return problems.length === 1 ? problems[0] : app.t("imports.none");
  const chats = reports.reduce((count, report) => count + report.conversations.length, 0);
  const rest = [
    ["left_out", sum(reports, "left_out")],
    ["skipped", sum(reports, "skipped")],
    ["files", problems.length],
  ].flatMap(([what, count]) => (count ? counted(app, what, count) : []));
  if (reports.some(({ stopped }) => stopped)) rest.push(app.t("imports.stopped"));
  const values = { chats: counted(app, "chats", chats), rest: joined(app, rest) };
  return app.t(rest.length ? "imports.done_partly" : "imports.done", values);
}

function sum(reports, name) {
  return reports.flatMap((report) => Object.values(report[name])).reduce((a, b) => a + b, 0);
}

/** @returns {boolean} whether there is more to tell than the sentence */
export function hasDetails(outcomes) {
  const told = ({ report }) => ["left_out", "changed", "skipped"].some((name) => Object.keys(report[name]).length);
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
  const chats = counted(app, "chats", report.conversations.length);
  const messages = counted(app, "messages", report.messages);
  const lines = [app.t("imports.taken", { name, chats, messages })];
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
  const unnamed = sum([report], "skipped") - report.skipped_items.length;
  if (unnamed > 0) lines.push(app.t("imports.skipped_more", { count: number(app, unnamed) }));
  if (report.stopped) lines.push(app.errorText(report.stopped));
  return lines;
}
