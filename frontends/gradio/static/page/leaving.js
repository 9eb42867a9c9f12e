/** Tells when the page may end. */

/**
 * @param {() => void} act called when the page is left or hidden: a phone may end a hidden page without a word
 * @returns {() => void} stops it
 */
export function whenLeaving(act) {
  const hidden = () => document.visibilityState === "hidden" && act();
  addEventListener("pagehide", act);
  document.addEventListener("visibilitychange", hidden);
  return () => {
    removeEventListener("pagehide", act);
    document.removeEventListener("visibilitychange", hidden);
  };
}
