/** Judgements over time, for a chart: by day, week or month, so that there are not too many columns. No DOM. */

const DAY_MS = 86_400_000;
const MAX_COLUMNS = 60;
const STEPS = [1, 2, 5];

/**
 * @typedef {Object} Bucket
 * @property {string} day its first one, such as "2026-11-27"
 * @property {number} up
 * @property {number} down
 * @property {number} rankings
 */

/**
 * @param {Bucket[]} days with judgements, oldest first
 * @returns {{unit: "day"|"week"|"month", buckets: Bucket[]}} without gaps from the first to the last
 */
export function timeBuckets(days) {
  if (!days.length) return { unit: "day", buckets: [] };
  for (const unit of ["day", "week", "month"]) {
    const starts = startsOf(unit, days[0].day, days.at(-1).day);
    if (starts.length <= MAX_COLUMNS || unit === "month") return { unit, buckets: summed(unit, starts, days) };
  }
}

/**
 * @param {number} highest
 * @returns {number[]} a few round numbers from 0 to at least `highest`
 */
export function ticks(highest) {
  const rough = Math.max(1, highest / 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (STEPS.find((factor) => factor * power >= rough) ?? 10);
  const count = Math.max(1, Math.ceil(highest / step));
  return Array.from({ length: count + 1 }, (_, at) => at * step);
}

function summed(unit, starts, days) {
  const buckets = new Map(starts.map((day) => [day, { day, up: 0, down: 0, rankings: 0 }]));
  for (const { day, up, down, rankings } of days) {
    const bucket = buckets.get(startOf(unit, day));
    bucket.up += up;
    bucket.down += down;
    bucket.rankings += rankings;
  }
  return [...buckets.values()];
}

function startsOf(unit, first, last) {
  const starts = [];
  for (let at = Date.parse(startOf(unit, first)); at <= Date.parse(last); at = next(unit, at)) starts.push(text(at));
  return starts;
}

function next(unit, at) {
  if (unit !== "month") return at + DAY_MS * (unit === "week" ? 7 : 1);
  const date = new Date(at);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

function startOf(unit, day) {
  if (unit === "month") return `${day.slice(0, 7)}-01`;
  const at = Date.parse(day);
  return unit === "week" ? text(at - DAY_MS * ((new Date(at).getUTCDay() + 6) % 7)) : text(at);
}

function text(at) {
  return new Date(at).toISOString().slice(0, 10);
}
