/** Where the browser goes after signing in: always Parley's own page, never another address. */

/**
 * @param {string} search the login page's own query, e.g. "?next=c%3D01JDC3"
 * @returns {string} an address relative to the login page: that of the page, with the query it had
 */
export function nextAddress(search) {
  const next = new URLSearchParams(search).get("next") ?? "";
  const query = new URLSearchParams(next).toString(); // whatever it is, it becomes a query
  return query ? `./?${query}` : "./";
}

/**
 * @param {string} hash the address's fragment
 * @returns {string|null} the secret of a one-time link
 */
export function tokenIn(hash) {
  const token = hash.replace(/^#/, "");
  return /^[\w-]{20,100}$/.test(token) ? token : null;
}
