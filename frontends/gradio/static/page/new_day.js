/** Tells when a new day begins: days are named and times are shown relative to today. */

const CHECK_MS = 30_000; // not one timer until midnight: a computer that sleeps, or whose clock is set, would miss it

/** @param {() => void} begun called on the first check of another day */
export function watchDay(begun) {
  let day = new Date().toDateString();
  setInterval(() => {
    const today = new Date().toDateString();
    if (today === day) return;
    day = today;
    begun();
  }, CHECK_MS);
}
