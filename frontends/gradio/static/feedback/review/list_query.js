/** Which judgements are asked for. No DOM. */

const PAGE = 50;
const TIMES = { since: "T00:00:00", until: "T23:59:59.999" };

/** @returns {string} the query of a page; days are those of the reader's clock */
export function listQuery(filters, cursor) {
  const values = { ...filters, cursor, limit: PAGE };
  for (const [name, time] of Object.entries(TIMES)) {
    if (values[name]) values[name] = new Date(`${values[name]}${time}`).toISOString();
  }
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
}
