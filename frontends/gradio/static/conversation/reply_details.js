/** Details of a reply in a popover: where it comes from, model, quantization, seed, token counts and times. */
import { longTime, number } from "../i18n/format.js";
import { modelName } from "../models/model_name.js";
import { h } from "../page/dom.js";
import { placePopover, showPopover } from "../widgets/popover.js";
import { isImported } from "./author.js";
import { judgementLines } from "./reply_judgements.js";

const SAMPLING = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens"];

/**
 * @param {Object} app
 * @param {HTMLElement} anchor
 * @param {import("./message_tree.js").Message} message
 */
export function showDetails(app, anchor, message) {
  const rows = detailRows(app, message).filter(([, value]) => value);
  const list = h("dl.p-details", {}, ...rows.flatMap(([key, value]) => [h("dt", {}, app.t(key)), h("dd", {}, value)]));
  const judgements = h("dl.p-judgements", { "aria-live": "polite" });
  const content = [list, judgements];
  const { element } = showPopover(anchor, { title: app.t("details.title"), close: app.t("app.close"), content });
  void showJudgements(app, message, judgements).then(() => placePopover(element, anchor));
}

// What became of the reader's judgements. Without connection the details are shown without them.
async function showJudgements(app, message, list) {
  const judgements = await app.api.get(`/api/messages/${message.id}/judgements`).catch(() => []);
  const lines = judgementLines(app.t, judgements);
  if (!lines.length) return;
  list.before(h("h3.p-details-title", {}, app.t("judgement.title")));
  list.append(...lines.flatMap(([what, became]) => [h("dt", {}, what), h("dd", {}, became)]));
}

function detailRows(app, message) {
  const { provenance, usage = {}, timing = {} } = message;
  const reference = message.model_id ?? provenance?.model_id;
  return [
    ["details.source", isImported(message) ? app.t("details.imported") : null],
    ["details.imported_model", message.imported_model],
    ["details.model", reference && modelName(app, reference)],
    ["details.quantization", provenance?.quantization],
    ["details.seed", provenance?.sampling?.seed?.toString()],
    ["details.tokens", usage.completion_tokens ? tokens(app, usage) : null],
    ["details.dropped", message.dropped_turns ? number(app, message.dropped_turns) : null],
    ["details.speed", speed(app, usage, timing)],
    ["details.first_token", duration(app, timing.first_token_ms)],
    ["details.queued", timing.queued_ms > 50 ? duration(app, timing.queued_ms) : null],
    ["details.sampling", provenance ? sampling(app, provenance.sampling) : null],
    ["details.time", longTime(app, message.created_at)],
  ];
}

function tokens(app, usage) {
  return app.t("details.tokens_value", {
    completion: usage.completion_tokens,
    prompt: usage.prompt_tokens,
    cached: usage.cached_tokens ?? 0,
  });
}

function speed(app, usage, timing) {
  const decoding_ms = timing.duration_ms - timing.first_token_ms;
  if (!(usage.completion_tokens > 1) || !(decoding_ms > 0)) return null;
  const rate = ((usage.completion_tokens - 1) * 1000) / decoding_ms;
  return app.t("details.speed_value", { value: number(app, rate, { maximumFractionDigits: rate < 10 ? 1 : 0 }) });
}

function duration(app, ms) {
  if (ms === null || ms === undefined) return null;
  if (ms < 1000) return app.t("details.milliseconds", { value: number(app, Math.round(ms)) });
  return app.t("details.seconds", { value: number(app, ms / 1000, { maximumFractionDigits: 1 }) });
}

function sampling(app, values) {
  const settings = SAMPLING.map((name) => app.t(`settings.set_${name}`, { value: values[name] }));
  return settings.join(" · ");
}
