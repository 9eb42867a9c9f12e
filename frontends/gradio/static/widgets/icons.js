/** The page's icons: 24 × 24 line drawings in the current text colour. */
import { svg } from "../page/dom.js";

const PATHS = {
  arrow_down: ["M12 5v14", "M6 13l6 6 6-6"],
  arrow_up: ["M12 19V5", "M6 11l6-6 6 6"],
  chart: ["M4 4v16h16", "M8.5 16v-4", "M13 16V8", "M17.5 16v-6"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  chevron_left: ["M14.5 6l-6 6 6 6"],
  chevron_right: ["M9.5 6l6 6-6 6"],
  chevron_down: ["M6 9.5l6 6 6-6"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  columns: ["M4 5h7v14H4z", "M13.5 5H20v14h-6.5z"],
  copy: ["M9 9h10v11H9z", "M5 15V4h10"],
  download: ["M12 4v11", "M7 11l5 5 5-5", "M5 20h14"],
  edit: ["M4 20l1-4L16.5 4.5l3 3L8 19z", "M14 7l3 3"],
  equal: ["M6 9.5h12", "M6 14.5h12"],
  exit: ["M14 5H5v14h9", "M10 12h10", "M16.5 8.5L20 12l-3.5 3.5"],
  grip: ["M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01"],
  info: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z", "M12 11v5.5", "M12 7.6v.1"],
  link: ["M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1", "M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1"],
  moon: ["M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z"],
  more: ["M5 12h.01", "M12 12h.01", "M19 12h.01"],
  panel: ["M4 5h16v14H4z", "M9.5 5v14"],
  person: ["M12 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z", "M5 20c.6-3.6 3.4-5.5 7-5.5s6.4 1.9 7 5.5"],
  people: ["M9 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6z", "M3 19c.4-3 2.6-4.6 6-4.6s5.6 1.6 6 4.6", "M15.5 5.2a3 3 0 0 1 0 5.6", "M17.5 14.8c2 .6 3.2 2 3.5 4.2"],
  pin: ["M9 4h6l-1 6 3 3v2H7v-2l3-3z", "M12 15v5"],
  plus: ["M12 5v14", "M5 12h14"],
  rank: ["M4 7h9", "M4 12h6", "M4 17h3", "M17 6v12", "M14 9l3-3 3 3"],
  refresh: ["M19.5 12a7.5 7.5 0 1 1-2.2-5.3", "M19.5 3.5v4h-4"],
  search: ["M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "M15.5 15.5L20 20"],
  sliders: ["M4 8h9", "M17 8h3", "M4 16h3", "M11 16h9", "M15 5.5v5", "M9 13.5v5"],
  stop: ["M7.5 7.5h9v9h-9z"],
  sun: [
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
    "M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  ],
  system: ["M4 5h16v11H4z", "M9 20h6", "M12 16v4"],
  tasks: ["M10 6h10", "M10 12h10", "M10 18h10", "M3.5 6l1.2 1.2L7 5", "M3.5 12l1.2 1.2L7 11", "M4 18h2"],
  thumb_down: [
    "M17 4h3v9h-3z",
    "M17 12.5L13.5 20a2 2 0 0 1-2.3-2.5L12 14H6.5a2 2 0 0 1-2-2.4l1.2-6A2 2 0 0 1 7.7 4H17",
  ],
  thumb_up: ["M4 11h3v9H4z", "M7 11.5L10.5 4a2 2 0 0 1 2.3 2.5L12 10h5.5a2 2 0 0 1 2 2.4l-1.2 6a2 2 0 0 1-2 1.6H7"],
  trash: ["M5 7h14", "M9.5 7V4.5h5V7", "M7 7l1 12.5h8L17 7"],
  upload: ["M12 16V5", "M7 9l5-5 5 5", "M5 20h14"],
  warning: ["M12 4L2.8 19.5h18.4z", "M12 10v4.5", "M12 17v.1"],
};

const FILLED = new Set(["stop"]);

/**
 * An icon, hidden from screen readers: the button around it has the label.
 * @param {keyof PATHS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const paths = PATHS[name].map((d) => svg("path", { d }));
  const fill = FILLED.has(name) ? "currentColor" : "none";
  return svg("svg", { viewBox: "0 0 24 24", class: "p-svg", fill, "aria-hidden": "true" }, ...paths);
}
