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

/**
 * Remove everything whose key begins with `prefix`.
 * @param {string} prefix
 */
export function removeStored(prefix) {
  try {
    const keys = Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at));
    for (const key of keys) if (key.startsWith(prefix)) localStorage.removeItem(key);
  } catch {
    // Nothing is kept.
  }
}
