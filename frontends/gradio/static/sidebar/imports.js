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
        newest = newerOf(newest, imported);
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
    return app.api.upload(`${PATH}?name=${encodeURIComponent(name.slice(0, 200))}`, file, {
      onSent: (share) => note.say(app.t("imports.sending", { name, percent: Math.floor(share * 100) })),
      onProgress: ({ conversations, messages, judgements, read }) => {
        const counts = { conversations, messages, judgements };
        const done = joined(app, Object.keys(counts).flatMap((what) => (counts[what] ? counted(app, what, counts[what]) : [])));
        note.say(app.t(done ? "imports.storing" : "imports.reading", { name, percent: Math.floor(read * 100), done }));
      },
    });
  }

  /**
   * @param {Outcome[]} outcomes
   * @param {Object|null} newest
   */
  #tell(outcomes, newest) {
    const { app, handlers } = this;
    if (newest && newest.dataset_file === null) {
      const sum = (name) => outcomes.reduce((count, { report }) => count + (report?.[name] ?? 0), 0);
      const only = sum("chats") + (sum("chats") ? 0 : sum("known")) === 1;
      const { report, ...conversation } = newest;
      handlers.imported(conversation, only);
    }
    const show = () => handlers.showDetails(app.t("imports.title"), detailsOf(app, outcomes));
    const more = hasDetails(outcomes) ? { action: app.t("imports.details"), onAction: show, shownMs: 20_000 } : {};
    app.toast(summaryOf(app, outcomes), more);
  }
}

/** The newer of two conversations; a chat rather than a row of a dataset, which the list doesn't show. */
function newerOf(one, other) {
  const key = (conversation) => [conversation.dataset_file === null ? 1 : 0, Date.parse(conversation.updated_at)];
  if (!one) return other;
  const [[isChat, at], [otherIsChat, otherAt]] = [key(one), key(other)];
  return otherIsChat > isChat || (otherIsChat === isChat && otherAt > at) ? other : one;
}
