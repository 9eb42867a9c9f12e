/** Auto-scroll: keeps the end of the conversation visible while a reply grows, until the reader scrolls up. */
import { iconButton } from "../widgets/buttons.js";
import { isNearEnd, staysAtEnd } from "./scroll_position.js";

/** Keeps a scrolling element at its end. */
export class AutoScroll {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content the element inside it that grows
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

  /** Scroll to the end and keep following it. */
  follow() {
    this.following = true;
    this.#toEnd();
    this.#showButton();
  }

  /** Stop following the end. */
  pause() {
    this.following = false;
  }

  #scrolled() {
    this.following = staysAtEnd(this.following, this.scroller, this.lastTop);
    this.lastTop = this.scroller.scrollTop;
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
    this.button.hidden = this.following || isNearEnd(this.scroller);
  }
}
