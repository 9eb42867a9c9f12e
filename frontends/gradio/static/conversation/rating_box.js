/** The box at a thumb: reasons, a comment and a score, which are saved however it closes, and a button that withdraws the rating. */
import { h } from "../page/dom.js";
import { whenLeaving } from "../page/leaving.js";
import { textButton } from "../widgets/buttons.js";
import { showPopover } from "../widgets/popover.js";

const MAX_SCORE = 10;

/**
 * @param {Object} app
 * @param {import("./ratings.js").Ratings} ratings
 * @param {HTMLElement} anchor the thumb
 * @param {string} id of the reply
 * @param {"up"|"down"} verdict of the thumb
 * @param {() => void} correct opens the editor of the reply
 */
export function openRatingBox(app, ratings, anchor, id, verdict, correct) {
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
  const correctIt = () => {
    popover.close();
    correct();
  };
  const buttons = [textButton(app.t("rating.withdraw"), withdraw), textButton(app.t("rating.correct"), correctIt)];
  form.querySelector(".p-why-foot").prepend(...buttons);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    popover.close();
  });
}

/** @returns {{form: HTMLElement, entered: () => import("./ratings.js").Entered}} */
function ratingForm(app, verdict, { reasons, comment, score }) {
  const field = h("input.p-field", { type: "text", maxlength: "2000", placeholder: app.t("rating.comment") });
  field.setAttribute("aria-label", app.t("rating.comment"));
  field.value = comment;
  const save = h("button.p-button.p-primary", { type: "submit" }, app.t("rating.save"));
  const hint = h("span.p-muted", {}, app.t("rating.optional"));
  const chips = h("div.p-chips", {}, ...reasonChips(app, verdict, reasons));
  const scale = scoreScale(app, score);
  const form = h("form.p-why", {}, chips, scale.element, field, hint, h("div.p-why-foot", {}, save));
  const checked = () => [...chips.querySelectorAll("input:checked")].map((box) => box.value);
  // Reasons that have no box here, as those of the other thumb, stay as they are.
  const others = reasons.filter((name) => !chips.querySelector(`input[value="${CSS.escape(name)}"]`));
  return { form, entered: () => ({ reasons: [...checked(), ...others], comment: field.value.trim(), score: scale.value() }) };
}

function reasonChips(app, verdict, reasons) {
  return (app.state.info?.reasons[verdict] ?? []).map((name) => {
    const box = h("input", { type: "checkbox", name: "reason", value: name, checked: reasons.includes(name) });
    return h("label.p-chip", {}, box, h("span", {}, app.t(`rating.reason_${name}`)));
  });
}

// Ten radio buttons, of which the chosen one can be pressed again to choose none.
function scoreScale(app, score) {
  const boxes = Array.from({ length: MAX_SCORE }, (_, n) => {
    const value = String(n + 1);
    return h("input", { type: "radio", name: "score", value, checked: score === n + 1 });
  });
  const value = () => Number(boxes.find((box) => box.checked)?.value) || null;
  let before = value();
  for (const box of boxes) {
    box.addEventListener("click", () => {
      if (before === Number(box.value)) box.checked = false;
      before = value();
    });
  }
  const labels = boxes.map((box) => h("label.p-chip.p-score", {}, box, h("span", {}, box.value)));
  const name = app.t("rating.score");
  const scale = h("div.p-scores", { role: "radiogroup", "aria-label": name }, ...labels);
  return { element: h("div.p-scale", {}, h("span.p-muted", {}, name), scale), value };
}
