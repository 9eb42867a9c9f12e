/** Tables of numbers. */
import { h } from "../page/dom.js";

/**
 * A table of numbers, in a frame in which it can be scrolled.
 * @param {string} title
 * @param {string[]} heads
 * @param {(Node|string)[][]} rows the first cell names the row
 * @returns {HTMLElement}
 */
export function dataTable(title, heads, rows) {
  const head = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  const body = rows.map(([name, ...cells]) => h("tr", {}, h("th", { scope: "row" }, name), ...cells.map(cell)));
  const table = h("table.p-data", {}, h("caption", {}, title), h("thead", {}, head), h("tbody", {}, ...body));
  return h("div.p-data-frame", { tabindex: "0", role: "region", "aria-label": title }, table);
}

function cell(content) {
  return h("td", {}, content);
}
