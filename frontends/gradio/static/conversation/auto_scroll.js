/** Keeps the newest line in sight while a reply grows, until the reader scrolls up. */
import { iconButton } from "../widgets/buttons.js";

const NEAR_PX = 48;

/** Follows the end of a scrolling element. */
export class Follower {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content what grows inside it
   */
  constructor(scroller, content) {
    this.scroller = scroller;
    this.following = true;
    this.button = iconButton("arrow_down", "", () => this.follow(), { class: "p-to-bottom", hidden: true });
    this.lastTop = 0;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#grown()).observe(content);
    new ResizeObserver(() => this.#grown()).observe(scroller);
  }

  /** Go to the end and stay there. */
  follow() {
    this.following = true;
    this.#toEnd();
    this.#showButton();
  }

  /** Don't move: the reader is elsewhere. */
  rest() {
    this.following = false;
  }

  #distance() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
  }

  #scrolled() {
    const top = this.scroller.scrollTop;
    if (this.#distance() < NEAR_PX) this.following = true;
    else if (top < this.lastTop) this.following = false; // only upward: content that grows isn't the reader's doing
    this.lastTop = top;
    this.#showButton();
  }

  #grown() {
    if (this.following) this.#toEnd();
    this.#showButton();
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.lastTop = this.scroller.scrollTop;
  }

  #showButton() {
    this.button.hidden = this.following || this.#distance() < NEAR_PX;
  }
}
