/** Ratings: a click on a thumb rates a reply; a thumbs-down opens a small form for the reasons. */
import { h } from "../page/dom.js";
import { showPopover } from "../widgets/popover.js";

/**
 * Rate a reply, or retract the same rating. Shown at once, undone if the server refuses it.
 * @param {Object} app
 * @param {HTMLElement} anchor the thumb
 * @param {import("./message_tree.js").Message} message
 * @param {"up"|"down"} verdict
 * @param {(rating: Object|null) => void} show
 */
export async function rate(app, anchor, message, verdict, show) {
  const before = message.rating ?? null;
  const next = before?.verdict === verdict ? "retracted" : verdict;
  show({ verdict: next, reasons: [], comment: "" });
  if (next === "down") askWhy(app, anchor, message.id);
  try {
    show(await put(app, message.id, { verdict: next }));
  } catch (error) {
    show(before);
    app.toast(app.errorText(error));
  }
}

function put(app, messageId, rating) {
  return app.api.put(`/api/messages/${messageId}/rating`, rating);
}

function askWhy(app, anchor, messageId) {
  const comment = h("input.p-field", { type: "text", maxlength: "2000", placeholder: app.t("rating.comment") });
  comment.setAttribute("aria-label", app.t("rating.comment"));
  const save = h("button.p-button.p-primary", { type: "submit" }, app.t("rating.save"));
  const foot = h("div.p-why-foot", {}, h("span.p-muted", {}, app.t("rating.optional")), save);
  const form = h("form.p-why", {}, h("div.p-chips", {}, ...reasonChips(app)), comment, foot);
  const popover = showPopover(anchor, { title: app.t("rating.title"), close: app.t("app.dismiss"), content: [form] });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const reasons = [...form.querySelectorAll("input:checked")].map((box) => box.value);
    try {
      await put(app, messageId, { verdict: "down", reasons, comment: comment.value.trim() });
      popover.close();
      app.toast(app.t("rating.thanks"));
    } catch (error) {
      app.toast(app.errorText(error));
    }
  });
}

function reasonChips(app) {
  return (app.state.info?.reasons ?? []).map((name) => {
    const box = h("input", { type: "checkbox", name: "reason", value: name });
    return h("label.p-chip", {}, box, h("span", {}, app.t(`rating.reason_${name}`)));
  });
}
