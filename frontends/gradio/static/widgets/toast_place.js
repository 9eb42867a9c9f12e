/** Where toasts are shown: where they cover nothing that is being used. No DOM. */

const GAP = 12;

/**
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box in px of the page's window
 */

/**
 * @param {{width: number, height: number}} toasts their size
 * @param {{width: number, height: number}} page the window's
 * @param {Box|null} composer null where it can't be used
 * @param {Box[]} others popovers, menus and whatever else must stay clear
 * @returns {{top: number}|{bottom: number}} the distance from that edge: above the composer, at the top, or at the bottom
 */
export function freePlace(toasts, page, composer, others) {
  const bottom = composer ? page.height - composer.top + GAP : GAP;
  const places = [{ bottom }, { top: GAP }, { bottom: GAP }];
  const taken = composer ? [composer, ...others] : others;
  return places.find((place) => isFree(boxAt(place, toasts, page), taken)) ?? { top: GAP };
}

function boxAt(place, { width, height }, page) {
  const top = place.top ?? page.height - place.bottom - height;
  const left = (page.width - width) / 2;
  return { left, top, right: left + width, bottom: top + height };
}

function isFree(box, taken) {
  const meets = (other) =>
    box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom;
  return box.top >= 0 && !taken.some(meets);
}
