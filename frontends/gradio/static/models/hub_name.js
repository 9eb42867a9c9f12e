/** Parses the name of a model on a hub from typed text. */

/**
 * @param {string} text a name, or the address of the model's page or file
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
