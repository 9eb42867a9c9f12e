/** Alt+↑ and Alt+↓ give a thumb to the reply that has the focus, else to the last one. */

const VERDICTS = { ArrowUp: "up", ArrowDown: "down" };

/**
 * @param {KeyboardEvent} event
 * @returns {"up"|"down"|null} the thumb that these keys give; none where they move in a text
 */
export function verdictOf(event) {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  const { target } = event;
  const isText = target.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select") ?? false;
  if (isText && (target.value || target.closest(".p-editor, .p-popover"))) return null;
  return VERDICTS[event.key] ?? null;
}

/**
 * @param {HTMLElement} column of the messages
 * @param {HTMLElement} target of the event
 * @returns {HTMLElement|undefined} the reply that is meant; none while it is written, or shown beside others
 */
export function replyMeant(column, target) {
  const reply = target.closest?.(".p-reply") ?? [...column.querySelectorAll(".p-reply")].at(-1);
  if (reply?.closest(".p-comparison")) return undefined;
  return reply && reply.dataset.state !== "pending" ? reply : undefined;
}
