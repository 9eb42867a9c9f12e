/** Who uses the page, and what they may do. The server decides; the page does not offer what it would refuse. */

const user = (app) => app.state.info?.user ?? null;

/** @returns {boolean} whether people sign in here */
export function hasLogin(app) {
  return Boolean(app.state.info?.login);
}

/** @returns {boolean} whether administrators' functions are offered; without accounts everybody is one */
export function isAdmin(app) {
  return (user(app)?.role ?? "admin") === "admin";
}

/** @returns {boolean} whether somebody may have API keys and import files */
export function isMember(app) {
  return user(app)?.role !== "guest";
}

/**
 * Whether judgements of new chats may become training data.
 * @returns {boolean|null} null: somebody who was not asked yet
 */
export function allowsTraining(app) {
  const said = user(app)?.allow_training ?? null;
  return said ?? (user(app)?.id === "local" || !hasLogin(app) ? true : null);
}

/** Read again who uses the page, after they have changed something about themselves. */
export async function refreshWho(app) {
  app.state.info = await app.api.get("/api/info");
  app.emit("info", app.state.info);
}

/** @returns {string} the name that others see */
export function ownName(app) {
  return user(app)?.name || user(app)?.username || "";
}
