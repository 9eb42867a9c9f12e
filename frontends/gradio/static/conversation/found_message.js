/** Shows the message that a search found: scrolls to the words until nothing moves any more, and marks them. */
import { matchedTexts, placesOf } from "./found_texts.js";

const MARK = "parley-found"; // the highlight's name in conversation.css
const STEADY_FRAMES = 6;
const LONGEST_FRAMES = 90;
const SLACK_PX = 2;
const READER_EVENTS = ["wheel", "touchstart", "pointerdown", "keydown"]; // who scrolls is not scrolled back

/** The ranges of `texts` in an element. */
function rangesIn(element, texts) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const ranges = [];
  while (walker.nextNode()) {
    for (const [start, end] of placesOf(walker.currentNode.data, texts)) {
      const range = new Range();
      range.setStart(walker.currentNode, start);
      range.setEnd(walker.currentNode, end);
      ranges.push(range);
    }
  }
  return ranges;
}

/** One found message at a time. */
export class FoundMessage {
  /** @param {HTMLElement} scroller */
  constructor(scroller) {
    this.scroller = scroller;
    this.stop = () => {};
  }

  /** Remove the marks, and scroll no more. */
  clear() {
    this.stop();
    CSS.highlights?.delete(MARK);
  }

  /**
   * @param {HTMLElement} body the message's text
   * @param {{snippet: string, ranges: [number, number][]}|null} match
   */
  show(body, match) {
    this.clear();
    const ranges = rangesIn(body, matchedTexts(match));
    if (ranges.length && window.Highlight) CSS.highlights.set(MARK, new Highlight(...ranges));
    this.#settle(ranges[0] ?? body);
  }

  // Messages that have not been on the screen have estimated heights: each step lays out others, and moves this one.
  #settle(target) {
    const stopping = new AbortController();
    this.stop = () => stopping.abort();
    for (const name of READER_EVENTS) {
      addEventListener(name, this.stop, { signal: stopping.signal, capture: true, passive: true });
    }
    let [steady, frames] = [0, 0];
    const step = () => {
      if (stopping.signal.aborted) return;
      steady = this.#centre(target) ? 0 : steady + 1;
      frames += 1;
      if (steady < STEADY_FRAMES && frames < LONGEST_FRAMES) requestAnimationFrame(step);
      else this.stop();
    };
    step();
  }

  /** Scroll `target` to the middle, a higher one to the top; whether that moved anything. */
  #centre(target) {
    const { scroller } = this;
    const [box, view] = [target.getBoundingClientRect(), scroller.getBoundingClientRect()];
    const room = Math.max(0, view.height - box.height) / 2;
    const before = scroller.scrollTop;
    const away = box.top - view.top - room;
    if (Math.abs(away) > SLACK_PX) scroller.scrollTop = before + away;
    return Math.abs(scroller.scrollTop - before) > SLACK_PX;
  }
}
