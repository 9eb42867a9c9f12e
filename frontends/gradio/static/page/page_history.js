/**
 * The page's entries in the browser's history: one for each address, and on narrow pages one for each layer (a drawer,
 * a popover, a menu), so that Back closes what covers the page before it leaves the page. A layer's entry goes when the
 * layer does, in whichever way it is closed. Forward opens none again.
 */

export const NARROW = "(max-width: 899px)";

/** @typedef {{close: () => void}} Layer */

class PageHistory {
  #layers = []; // those that are open, the lowest first
  #addresses = []; // that wait until no layer's entry is in the way
  #isReturning = false; // whether the browser has been told to go back, and has not yet arrived

  /** @param {() => void} moved the person has gone to another entry, or may have */
  listen(moved) {
    addEventListener("popstate", () => {
      const wasToldTo = this.#isReturning;
      this.#isReturning = false;
      if (!wasToldTo) for (const layer of this.#layers.slice(entriesHere()).reverse()) layer.close();
      this.#settle();
      if (!this.#isReturning) moved(); // else an address still waits
    });
    this.#settle(); // a reload keeps the entries of layers, but not the layers
  }

  /**
   * Add an entry for another address; below the layers that are open.
   * @param {string} address
   */
  push(address) {
    this.#addresses.push(address);
    this.#settle();
  }

  /**
   * A layer has opened. On wide pages it stands beside the page, and Back means the page.
   * @param {() => void} close called when the person goes back; it calls what this returns
   * @returns {() => void} to be called when the layer has closed
   */
  cover(close) {
    if (!matchMedia(NARROW).matches) return () => {};
    const layer = { close };
    this.#layers.push(layer);
    this.#settle();
    return () => {
      this.#layers = this.#layers.filter((one) => one !== layer);
      queueMicrotask(() => this.#settle()); // where another one opens at once, it takes over the entry
    };
  }

  /** Make the entries what they should be; goes back first where there are too many, and comes again after that. */
  #settle() {
    if (this.#isReturning) return;
    const surplus = entriesHere() - (this.#addresses.length ? 0 : this.#layers.length);
    if (surplus > 0) {
      this.#isReturning = true;
      history.go(-surplus);
      return;
    }
    for (const address of this.#addresses.splice(0)) history.pushState(null, "", address);
    for (let layers = entriesHere() + 1; layers <= this.#layers.length; layers++) history.pushState({ layers }, "");
  }
}

export const pageHistory = new PageHistory();

/** @returns {number} how many layers' entries lead from the address's own entry to the current one */
function entriesHere() {
  return history.state?.layers ?? 0;
}
