/** Bars with numbers on them: a value with its interval, and a share of a whole. The number is beside it as text. */
import { svg } from "../page/dom.js";
import { place } from "./scale.js";

const WIDTH = 160;
const HEIGHT = 16;
const MIDDLE = HEIGHT / 2;

/**
 * @param {{value: number|null, low: number, high: number}} interval
 * @param {[number, number]} scale what the left and the right end stand for
 * @param {number} [mark] where a line stands, such as at chance
 * @returns {SVGElement} hidden from screen readers
 */
export function intervalBar({ value, low, high }, scale, mark) {
  const at = (number) => place(number, scale) * WIDTH;
  const parts = [svg("line", { x1: 0, x2: WIDTH, y1: MIDDLE, y2: MIDDLE, class: "p-bar-axis" })];
  if (mark !== undefined) parts.push(svg("line", { x1: at(mark), x2: at(mark), y1: 1, y2: HEIGHT - 1, class: "p-bar-mark" }));
  if (value !== null) {
    parts.push(
      svg("line", { x1: at(low), x2: at(high), y1: MIDDLE, y2: MIDDLE, class: "p-bar-interval" }),
      svg("circle", { cx: at(value), cy: MIDDLE, r: 4, class: "p-bar-point" }),
    );
  }
  return drawing(parts);
}

/**
 * @param {number} share from 0 to 1
 * @returns {SVGElement} hidden from screen readers
 */
export function shareBar(share) {
  const box = { x: 0, y: 4, height: HEIGHT - 8, rx: 2 };
  return drawing([
    svg("rect", { ...box, width: WIDTH, class: "p-bar-rest" }),
    svg("rect", { ...box, width: Math.max(share > 0 ? 2 : 0, share * WIDTH), class: "p-bar-share" }),
  ]);
}

function drawing(parts) {
  return svg("svg", { viewBox: `-5 0 ${WIDTH + 10} ${HEIGHT}`, class: "p-bar", "aria-hidden": "true" }, ...parts);
}
