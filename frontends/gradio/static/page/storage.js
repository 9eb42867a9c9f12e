/** What the browser keeps for this page. Where it may keep nothing (blocked, full), the page works without. */

/**
 * @param {string} key
 * @returns {string|null}
 */
export function readStored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string|null} text null removes it
 */
export function store(key, text) {
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    // Nothing depends on it.
  }
}
