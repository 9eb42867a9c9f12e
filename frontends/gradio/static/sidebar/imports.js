/** Imports files: checks them, sends one after the other, tells how far it is and what came of it. */
import { joined } from "../i18n/format.js";
import { problemOf } from "./import_files.js";
import { counted, detailsOf, hasDetails, summaryOf } from "./import_report.js";

const PATH = "/api/conversations/import";

/**
 * @typedef {Object} Outcome
 * @property {string} name of the file
 * @property {Object} [report] of the server
 * @property {string} [problem] why nothing of it was imported
 */

/** One queue of files for the page. */
export class Imports {
  /**
   * @param {Object} app
   * @param {{imported: (conversation: Object) => void, showDetails: (title: string, lines: string[]) => void}} handlers
   */
  constructor(app, handlers) {
    this.app = app;
    this.handlers = handlers;
    this.waiting = [];
    this.running = null;
  }

  /**
   * Import files, after those that are already waiting.
   * @param {Iterable<File>} files
   * @returns {Promise<void>} when all are done
   */
  take(files) {
    this.waiting.push(...files);
    this.running ??= this.#run().finally(() => (this.running = null));
    return this.running;
  }

  async #run() {
    const outcomes = [];
    let newest = null;
    const note = this.app.toast("", { stays: true });
    while (this.waiting.length) {
      const file = this.waiting.shift();
      const problem = problemOf(this.app, file);
      if (problem) {
        outcomes.push({ name: file.name, problem });
        continue;
      }
      try {
        const imported = await this.#send(file, note);
        outcomes.push({ name: file.name, report: imported.report });
        if (!newest || Date.parse(imported.updated_at) > Date.parse(newest.updated_at)) newest = imported;
      } catch (error) {
        outcomes.push({ name: file.name, problem: this.app.errorText(error) });
      }
    }
    note.remove();
    this.#tell(outcomes, newest);
  }

  #send(file, note) {
    const { app } = this;
    const { name } = file;
    note.say(app.t("imports.sending", { name, percent: 0 }));
    return app.api.upload(PATH, file, {
      onSent: (share) => note.say(app.t("imports.sending", { name, percent: Math.floor(share * 100) })),
      onProgress: ({ conversations, messages }) => {
        const chats = conversations ? [counted(app, "chats", conversations)] : [];
        const done = joined(app, [...chats, counted(app, "messages", messages)]);
        note.say(app.t("imports.storing", { name, done }));
      },
    });
  }

  /**
   * @param {Outcome[]} outcomes
   * @param {Object|null} newest
   */
  #tell(outcomes, newest) {
    const { app, handlers } = this;
    if (newest) {
      const only = outcomes.reduce((sum, { report }) => sum + (report?.conversations.length ?? 0), 0) === 1;
      const { report, ...conversation } = newest;
      handlers.imported(conversation, only);
    }
    const show = () => handlers.showDetails(app.t("imports.title"), detailsOf(app, outcomes));
    const more = hasDetails(outcomes) ? { action: app.t("imports.details"), onAction: show, shownMs: 20_000 } : {};
    app.toast(summaryOf(app, outcomes), more);
  }
}
