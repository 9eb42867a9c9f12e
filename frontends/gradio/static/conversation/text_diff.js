/** The differences between two texts, word by word (Myers, "An O(ND) Difference Algorithm", 1986). No DOM. */

const WORDS = /[\p{L}\p{M}\p{N}_'’-]+|\s+|[^]/gu;
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u; // written without spaces: letter by letter
const MAX_CHANGES = 1500; // beyond, what lies between the common beginning and end counts as replaced

/**
 * @typedef {Object} Piece
 * @property {"same"|"removed"|"added"} kind
 * @property {string} text
 */

/**
 * @param {string} before
 * @param {string} after
 * @returns {Piece[]} in order; the removed before the added at the same place
 */
export function textDiff(before, after) {
  const [old, now] = [split(before), split(after)];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  const most = Math.min(old.length, now.length) - start;
  while (end < most && old[old.length - 1 - end] === now[now.length - 1 - end]) end += 1;
  const middle = changes(old.slice(start, old.length - end), now.slice(start, now.length - end));
  const tail = old.slice(old.length - end);
  return joined([...old.slice(0, start).map(same), ...middle, ...tail.map(same)]);
}

const same = (text) => ({ kind: "same", text });
const removed = (text) => ({ kind: "removed", text });
const added = (text) => ({ kind: "added", text });

function split(text) {
  return (text.match(WORDS) ?? []).flatMap((word) => (WIDE.test(word) ? [...word] : [word]));
}

function changes(old, now) {
  const trace = furthestPaths(old, now);
  if (!trace) return [...old.map(removed), ...now.map(added)];
  const pieces = [];
  let [x, y] = [old.length, now.length];
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const k = x - y;
    const reached = (diagonal) => trace[d].get(diagonal) ?? -1;
    const down = k === -d || (k !== d && reached(k - 1) < reached(k + 1));
    const from = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : reached(from);
    const fromY = d === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY) {
      pieces.push(same(old[x - 1]));
      [x, y] = [x - 1, y - 1];
    }
    if (d === 0) break;
    pieces.push(down ? added(now[y - 1]) : removed(old[x - 1]));
    [x, y] = [fromX, fromY];
  }
  return pieces.reverse();
}

// For each number of changes, how far each diagonal had been followed before it; null if there are too many.
function furthestPaths(old, now) {
  const reached = new Map([[1, 0]]);
  const trace = [];
  for (let d = 0; d <= Math.min(old.length + now.length, MAX_CHANGES); d += 1) {
    trace.push(new Map(reached));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (reached.get(k - 1) ?? -1) < (reached.get(k + 1) ?? -1));
      let x = down ? reached.get(k + 1) : reached.get(k - 1) + 1;
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) x += 1;
      reached.set(k, x);
      if (x >= old.length && x - k >= now.length) return trace;
    }
  }
  return null;
}

// Neighbours of one kind become one piece; of a changed place, the removed comes before the added.
function joined(pieces) {
  const found = [];
  let waiting = { removed: "", added: "" };
  const flush = () => {
    for (const kind of ["removed", "added"]) if (waiting[kind]) found.push({ kind, text: waiting[kind] });
    waiting = { removed: "", added: "" };
  };
  for (const { kind, text } of pieces) {
    if (kind !== "same") {
      waiting[kind] += text;
      continue;
    }
    flush();
    if (found.at(-1)?.kind === "same") found.at(-1).text += text;
    else found.push({ kind, text });
  }
  flush();
  return found;
}
