/** Boxes for messages: they grow with their text, and stay fast with a long one. */

const LONG_CHARS = 8000; // more than any screen shows

/**
 * Fit a text area to its text. To be called whenever that has changed. Its style sheet limits its height.
 * @param {HTMLTextAreaElement} area with the class p-grows, by which newer browsers fit it themselves
 */
export function grow(area) {
  const isLong = area.value.length > LONG_CHARS;
  direct(area, isLong);
  if (CSS.supports("field-sizing", "content")) return;
  area.style.height = isLong ? "100vh" : "auto"; // measuring a long text takes longer than drawing it
  if (!isLong) area.style.height = `${area.scrollHeight}px`;
}

// With dir=auto the browser looks for the direction of every paragraph at each key.
function direct(area, isLong) {
  if (isLong && area.dir === "auto") area.dir = getComputedStyle(area).direction;
  else if (!isLong && area.dir !== "auto") area.dir = "auto";
}

/**
 * @param {string} text as typed or pasted
 * @returns {string} without empty lines around it and spaces after it; the first line keeps its indent
 */
export function trimmed(text) {
  return text.trimEnd().replace(/^(?:[^\S\n]*\n)+/, "");
}
