/** The blocks of a reply's body: closed blocks change only when a footnote arrives that they refer to. */
import { h, setHtml } from "../page/dom.js";
import { icon } from "../widgets/icons.js";

/** Keeps one element per block. */
export class Blocks {
  /**
   * @param {HTMLElement} root
   * @param {(key: string) => string} t
   */
  constructor(root, t) {
    this.root = root;
    this.t = t;
    this.html = []; // of each block, as received
    this.elements = [];
  }

  /**
   * Show the blocks that changed.
   * @param {{index: number, html: string}[]} blocks
   */
  patch(blocks) {
    for (const { index, html } of blocks) {
      while (this.elements.length <= index) this.#append();
      if (this.html[index] !== html) this.#set(index, html);
    }
  }

  /**
   * Show the whole reply. Blocks that already match stay, so that nothing flickers.
   * @param {string} html
   */
  finish(html) {
    let kept = 0;
    let rest = html;
    while (this.html[kept] && rest.startsWith(this.html[kept])) {
      rest = rest.slice(this.html[kept].length);
      kept += 1;
    }
    this.html.length = kept;
    for (const element of this.elements.splice(kept)) element.remove();
    if (rest.trim()) this.patch([{ index: kept, html: rest }]);
  }

  #append() {
    const element = h("div", { dataset: { block: this.elements.length } });
    this.elements.push(element);
    this.html.push("");
    this.root.append(element);
  }

  #set(index, html) {
    this.html[index] = html;
    setHtml(this.elements[index], html);
    labelCopyButtons(this.elements[index], this.t);
  }
}

/**
 * Add the icon and the label in the current language to the copy buttons of code blocks.
 * @param {HTMLElement} root
 * @param {(key: string) => string} t
 */
export function labelCopyButtons(root, t) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.setAttribute("aria-label", t("message.copy_code"));
    button.title = t("message.copy_code");
    if (!button.firstChild) button.append(icon("copy"));
  }
}
