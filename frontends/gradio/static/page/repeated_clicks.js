/** The second click of a double click must not press what came under the pointer after the first one. */

const CONTROLS = "button, a, label, input, textarea, select, summary";
const AGAIN_MS = 500;
const NEAR_PX = 12;

/** Knows the last click, and tells whether the next one repeats it on another control. */
export class RepeatedClicks {
  constructor() {
    this.last = null;
  }

  /**
   * @param {MouseEvent} event a click
   * @returns {boolean} whether another control was here, at the same place, a moment ago
   */
  isStray(event) {
    if (event.detail === 0) return false; // by the keyboard, or by a script
    const { last } = this;
    const pressed = controlOf(event.target);
    const soon = last && event.timeStamp - last.at < AGAIN_MS;
    const near = soon && Math.hypot(event.clientX - last.x, event.clientY - last.y) < NEAR_PX;
    const isAnother = !isSame(pressed, last?.pressed ?? {});
    const closesAgain = pressed.element?.hasAttribute("aria-haspopup"); // what the first half has opened
    const stray = Boolean(near && pressed.element && (isAnother || closesAgain));
    const meant = stray ? last.pressed : pressed;
    this.last = { pressed: meant, at: event.timeStamp, x: event.clientX, y: event.clientY };
    return stray;
  }

  /** Forget the last click: a key was pressed since, so that the next one is no second half. */
  forget() {
    this.last = null;
  }

  /** @param {MouseEvent} event a click that has reached nothing yet; ended here if it isn't meant */
  drop(event) {
    if (!this.isStray(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}

/** The control at an element, and what it does: a button of another version does the same (`data-act`). */
function controlOf(target) {
  const found = target.closest(CONTROLS);
  const element = found?.control ?? found; // a label's click is followed by one on its control
  return { element, act: element?.dataset.act, siblingsOf: element?.closest("article")?.dataset.parent };
}

function isSame(one, other) {
  if (one.act !== other.act) return false;
  return one.element === other.element || Boolean(one.act && one.siblingsOf && one.siblingsOf === other.siblingsOf);
}
