/** Helpers for DOM elements. Only `setHtml` accepts markup, and only from our server. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element.
 * @param {string} tag e.g. "button" or "button.p-icon.p-quiet" (classes after dots)
 * @param {Object} [attrs] attributes; `onclick: fn` adds a listener, `dataset: {}` sets data attributes,
 *   `true` and `false` set and omit an attribute
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, attrs = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attrs ?? {})) setAttribute(element, key, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function setAttribute(element, key, value) {
  if (value === false || value === null || value === undefined) return;
  if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else if (key === "dataset") Object.assign(element.dataset, value);
  else element.setAttribute(key, value === true ? "" : value);
}

/**
 * Create an SVG element.
 * @param {string} tag
 * @param {Object<string, string>} attrs
 * @param {...Node} children
 * @returns {SVGElement}
 */
export function svg(tag, attrs, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attrs)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * Set an element's markup. Only for HTML from `/ui`, which is sanitized there.
 * @param {Element} element
 * @param {string} html
 */
export function setHtml(element, html) {
  element.innerHTML = html;
}

/**
 * Wait until an element is in the page.
 * @param {string} selector
 * @returns {Promise<HTMLElement>}
 */
export function whenPresent(selector) {
  return new Promise((resolve) => {
    const found = document.querySelector(selector);
    if (found) return resolve(found);
    const observer = new MutationObserver(() => {
      const now = document.querySelector(selector);
      if (!now) return;
      observer.disconnect();
      resolve(now);
    });
    observer.observe(document.documentElement, { childList: true, subtree: true });
  });
}

/**
 * Copy text, also where the clipboard API is missing (plain HTTP on another host).
 * @param {string} text
 * @returns {Promise<boolean>} whether it worked
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { readonly: true, class: "p-offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
