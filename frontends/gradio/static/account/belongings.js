/** What the browser keeps of whoever uses the page. It is gone when they sign out, or when somebody else comes. */
import { forgetDrafts } from "../composer/drafts.js";
import { readStored, store } from "../page/storage.js";
import { hasLogin } from "./who.js";

const KEY = "parley.person"; // the id of whose belongings these are
const CHOICES = ["parley.model", "parley.compare"];

/**
 * The page belongs to this person from now on. Called before anything that they left is read. Another tab in which
 * somebody signs out or in, and the browser's way back to a page from before, open the page anew.
 * @param {Object} app
 */
export function claimBrowser(app) {
  const person = app.state.info?.user?.id;
  if (!person) return; // the server can't be reached
  const owner = readStored(KEY);
  const isOwn = owner === person || (owner === null && !hasLogin(app));
  if (!isOwn) leaveNothing();
  store(KEY, person);
  const isOver = () => hasLogin(app) && readStored(KEY) !== person;
  addEventListener("storage", ({ key }) => key === KEY && isOver() && openAnew());
  addEventListener("pageshow", ({ persisted }) => persisted && isOver() && openAnew());
}

/** Remove what this person leaves: unsent text, and what they chose last. How the page looks stays. */
export function leaveNothing() {
  forgetDrafts();
  for (const key of [KEY, ...CHOICES]) store(key, null);
}

function openAnew() {
  forgetDrafts(); // what is typed here is stored when the page ends
  location.reload();
}
