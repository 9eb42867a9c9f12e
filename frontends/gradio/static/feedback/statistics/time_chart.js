/** Columns of judgements over time, stacked by what they say, with a table of the same numbers. */
import { LOCALES } from "../../i18n/language.js";
import { number } from "../../i18n/format.js";
import { h, svg } from "../../page/dom.js";
import { dataTable } from "../data_table.js";
import { ticks, timeBuckets } from "./time_buckets.js";

const SERIES = ["up", "down", "rankings"];
const WIDTH = 720;
const HEIGHT = 200;
const LEFT = 44; // for the numbers
const TOP = 16; // for half a number
const BOTTOM = 32; // for the dates
const GAP = 0.25; // of a column's width
const WIDEST = 56; // a column with its gap
const LABEL = 90; // a date with its gap

/**
 * @param {Object} app
 * @param {import("./time_buckets.js").Bucket[]} days
 * @returns {HTMLElement}
 */
export function timeChart(app, days) {
  const { unit, buckets } = timeBuckets(days);
  const title = app.t(`statistics.per_${unit}`);
  const legend = SERIES.map((name) => h("span.p-legend", { dataset: { series: name } }, app.t(`statistics.${name}`)));
  const rows = buckets.filter(sum).map((bucket) => [
    dayName(app, bucket.day, unit),
    ...SERIES.map((name) => number(app, bucket[name])),
  ]);
  const heads = [app.t(`statistics.${unit}`), ...SERIES.map((name) => app.t(`statistics.${name}`))];
  const table = h("details.p-chart-table", {}, h("summary", {}, app.t("statistics.as_table")), dataTable(title, heads, rows));
  const caption = h("figcaption", {}, h("h2", {}, title), h("span.p-legends", {}, ...legend));
  return h("figure.p-chart", {}, caption, drawing(app, unit, buckets, title), table);
}

function drawing(app, unit, buckets, title) {
  const marks = ticks(Math.max(...buckets.map(sum)));
  const y = (value) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - value / marks.at(-1));
  const width = Math.min(WIDEST, (WIDTH - LEFT) / buckets.length);
  const lines = marks.flatMap((value) => [
    svg("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value), class: "p-chart-line" }),
    label(number(app, value), LEFT - 6, y(value) + 4, "end"),
  ]);
  const columns = buckets.flatMap((bucket, at) => column(bucket, LEFT + at * width + (width * GAP) / 2, width * (1 - GAP), y));
  const every = Math.ceil(LABEL / width);
  const dates = buckets.flatMap((bucket, at) =>
    at % every ? [] : [label(dayName(app, bucket.day, unit), LEFT + (at + 0.5) * width, HEIGHT - 6, "middle")],
  );
  const attrs = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "p-chart-drawing", role: "img", "aria-label": title };
  return svg("svg", attrs, ...lines, ...columns, ...dates);
}

function column(bucket, x, width, y) {
  let below = 0;
  return SERIES.filter((name) => bucket[name]).map((name) => {
    const top = y(below + bucket[name]);
    const rect = { x, y: top, width, height: y(below) - top, class: `p-chart-${name}` };
    below += bucket[name];
    return svg("rect", rect);
  });
}

function label(text, x, y, anchor) {
  return svg("text", { x, y, "text-anchor": anchor, class: "p-chart-text" }, text);
}

function sum(bucket) {
  return bucket.up + bucket.down + bucket.rankings;
}

function dayName(app, day, unit) {
  const style = unit === "month" ? { year: "numeric", month: "short" } : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(LOCALES[app.state.language], { ...style, timeZone: "UTC" }).format(new Date(day));
}
