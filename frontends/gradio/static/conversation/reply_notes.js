/** Notes below a reply that waits, was stopped, was cut off or failed, with a button to continue or retry. */
import { number } from "../i18n/format.js";
import { modelName } from "../models/model_name.js";
import { loadedPercent } from "../models/model_state.js";
import { findModel, variantOf } from "../models/reference.js";
import { h } from "../page/dom.js";
import { textButton } from "../widgets/buttons.js";

const LONG_TOKENS = 500; // a shorter prompt is read before anyone could read how far

/**
 * @param {Object} app
 * @param {import("./message_tree.js").Message} message
 * @param {{started: boolean, position: number|null, reasoning: {begun: boolean}, alias: string|null}} progress of a running
 *   reply; with an alias, nothing tells which model it is
 * @param {import("./message_view.js").Handlers} handlers
 * @returns {HTMLElement[]}
 */
export function replyNotes(app, message, progress, handlers) {
  const dropped = message.dropped_turns;
  const first = dropped ? [note("quiet.p-dropped", app.t("chat.dropped"))] : [];
  const last = message.state === "pending" ? waiting(app, message, progress) : ending(app, message, progress, handlers);
  return last ? [...first, last] : first;
}

function ending(app, message, { alias }, handlers) {
  const proceed = () => textButton(app.t("message.continue"), () => handlers.continue(message), "p-small");
  const again = () => textButton(app.t("message.retry"), () => handlers.regenerate(message), "p-small");
  const next = message.content || message.reasoning ? proceed : again;
  const isThought = message.reasoning && !message.content; // and nothing else
  if (message.state === "cancelled") {
    return note("quiet", app.t(isThought ? "message.cancelled_thinking" : "message.cancelled"), next());
  }
  if (message.state === "interrupted") return note("warning", app.t("message.interrupted"), next());
  if (message.state === "failed") return note("danger", failure(app, message, alias), again());
  if (message.finish_reason === "length") {
    return note("quiet", app.t(isThought ? "message.length_thinking" : "message.length"), proceed());
  }
  if (isThought) return note("quiet", app.t("message.only_thought"), again());
  if (!message.content) return note("quiet", app.t("message.empty"), again());
  return null;
}

// An error that names no model is one of the model that was asked.
function failure(app, { error, model_id }, alias) {
  const { code = "unknown", message, details } = error ?? {};
  if (alias) return app.errorText({ code: "generation_failed" });
  return app.errorText({ code, message, details: { model_id, ...details } });
}

function note(kind, text, button) {
  return h(`p.p-note.p-note-${kind}`, {}, h("span", {}, text), button);
}

function waiting(app, message, { started, position, read, reasoning, alias }) {
  if (started || (reasoning.begun && !alias)) return null; // a comparison hides the reasoning, too
  const dots = h("span.p-dots", { "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  const { text, isCount } = waitingFor(app, message, { position, read, alias });
  const live = isCount ? "off" : null; // a count that grows would be read out again and again
  return h("p.p-note.p-waiting", { role: "status", "aria-live": live }, dots, h("span", {}, text));
}

function loading(app, model, variant) {
  const percent = loadedPercent(app, variant);
  if (percent) return { text: app.t("chat.loading_share", { model, percent }), isCount: true };
  return { text: app.t("chat.loading_model", { model }) };
}

function waitingFor(app, message, { position, read, alias }) {
  if (position > 1) return { text: app.t("chat.queued", { count: position - 1 }) };
  if (position === 1) return { text: app.t("chat.queued_next") };
  if (alias) return { text: app.t("chat.thinking") };
  const reference = message.model_id ?? app.reference();
  const model = findModel(app.state.models, reference);
  const variant = model && variantOf(model, reference);
  const state = variant?.state;
  // A question is not stored before its model is in memory.
  const isLoading = state === "loading" || (message.optimistic && state === "ready");
  if (isLoading) return loading(app, modelName(app, reference), variant);
  if (message.optimistic) return { text: app.t("chat.sending") };
  if (read && read.total >= LONG_TOKENS && read.done < read.total) {
    const counts = { done: number(app, read.done), total: number(app, read.total) };
    return { text: app.t("chat.reading", counts), isCount: true };
  }
  return { text: app.t("chat.thinking") };
}
