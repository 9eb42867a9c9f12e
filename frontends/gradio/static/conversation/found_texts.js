/** The words that a search found, and their places in a text. No DOM. */

/**
 * The different texts that a search marked, in lower case.
 * @param {{snippet: string, ranges: [number, number][]}|null} match ranges in code points
 * @returns {string[]}
 */
export function matchedTexts(match) {
  const points = [...(match?.snippet ?? "")];
  const texts = (match?.ranges ?? []).map(([start, end]) => points.slice(start, end).join("").toLowerCase());
  return [...new Set(texts)].filter(Boolean);
}

/**
 * Where `texts` are in a text; the longer ones first, none inside another.
 * @param {string} text
 * @param {string[]} texts in lower case
 * @returns {[number, number][]} offsets in UTF-16 units, in order
 */
export function placesOf(text, texts) {
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return []; // a few letters change their length: offsets would be wrong
  const found = [];
  for (const wanted of [...texts].sort((a, b) => b.length - a.length)) {
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) {
      const end = at + wanted.length;
      if (found.every(([start, stop]) => end <= start || at >= stop)) found.push([at, end]);
    }
  }
  return found.sort(([a], [b]) => a - b);
}
