/** A model's name on a hub, read from what was typed. */

/**
 * @param {string} text as typed or pasted: a page's address is understood, too
 * @returns {string} e.g. "owner/name", "owner/name@revision" or "owner/name:file.gguf"
 */
export function hubName(text) {
  const [, path] = /^https?:\/\/[^/]+\/(.*)$/.exec(text.trim()) ?? [];
  if (path === undefined) return text.trim().replace(/^hub:/, "");
  const [owner, name, kind, revision, ...file] = path
    .replace(/[?#].*$/, "")
    .split("/")
    .filter(Boolean);
  const chosen = (kind === "blob" || kind === "resolve") && file.length > 0 ? `:${file.join("/")}` : "";
  const at = revision && revision !== "main" ? `@${revision}` : "";
  return `${owner ?? ""}/${name ?? ""}${chosen}${at}`;
}
