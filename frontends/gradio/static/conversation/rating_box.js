/** The box at a thumb: reasons and a comment, which are saved however it closes, and a button that withdraws the rating. */
import { h } from "../page/dom.js";
import { whenLeaving } from "../page/leaving.js";
import { textButton } from "../widgets/buttons.js";
import { showPopover } from "../widgets/popover.js";

/**
 * @param {Object} app
 * @param {import("./ratings.js").Ratings} ratings
 * @param {HTMLElement} anchor the thumb
 * @param {string} id of the reply
 * @param {"up"|"down"} verdict of the thumb
 */
export function openRatingBox(app, ratings, anchor, id, verdict) {
  const { form, entered } = ratingForm(app, verdict, ratings.entered(id, verdict));
  const opened = entered();
  let withdrawn = false;
  const save = (options) => ratings.explain(id, verdict, entered(), { opened, ...options });
  const stopWatching = whenLeaving(() => void save({ leaving: true }));
  const closed = async () => {
    stopWatching();
    if (withdrawn) return;
    const result = await save();
    if (result === "saved") app.toast(app.t("rating.thanks"));
    if (result === "withdrawn") app.toast(app.t("rating.gone"));
  };
  const title = app.t(`rating.title_${verdict}`);
  const popover = showPopover(anchor, { title, close: app.t("app.dismiss"), content: [form], onClose: closed });
  const withdraw = async () => {
    withdrawn = true;
    popover.close();
    const undo = await ratings.withdraw(id, entered());
    if (undo) app.toast(app.t("rating.withdrawn"), { action: app.t("app.undo"), onAction: undo });
  };
  form.querySelector(".p-why-foot").prepend(textButton(app.t("rating.withdraw"), withdraw));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    popover.close();
  });
}

/** @returns {{form: HTMLElement, entered: () => {reasons: string[], comment: string}}} */
function ratingForm(app, verdict, { reasons, comment }) {
  const field = h("input.p-field", { type: "text", maxlength: "2000", placeholder: app.t("rating.comment") });
  field.setAttribute("aria-label", app.t("rating.comment"));
  field.value = comment;
  const save = h("button.p-button.p-primary", { type: "submit" }, app.t("rating.save"));
  const hint = h("span.p-muted", {}, app.t("rating.optional"));
  const chips = h("div.p-chips", {}, ...reasonChips(app, verdict, reasons));
  const form = h("form.p-why", {}, chips, field, hint, h("div.p-why-foot", {}, save));
  const checked = () => [...form.querySelectorAll("input:checked")].map((box) => box.value);
  // Reasons that have no box here, as those of the other thumb, stay as they are.
  const others = reasons.filter((name) => !form.querySelector(`input[value="${CSS.escape(name)}"]`));
  return { form, entered: () => ({ reasons: [...checked(), ...others], comment: field.value.trim() }) };
}

function reasonChips(app, verdict, reasons) {
  return (app.state.info?.reasons[verdict] ?? []).map((name) => {
    const box = h("input", { type: "checkbox", name: "reason", value: name, checked: reasons.includes(name) });
    return h("label.p-chip", {}, box, h("span", {}, app.t(`rating.reason_${name}`)));
  });
}
