/** Entries of the audit log in words. */
import { hasText } from "../i18n/language.js";

/**
 * @param {Object} app
 * @param {Object} entry as in GET /api/audit
 * @returns {string} what somebody did
 */
export function actText(app, entry) {
  const key = `activity.${entry.action}`;
  const role = entry.details.role ?? entry.details.to;
  const values = { target: entry.target, role: role ? app.t(`account.role_${role}`) : "" };
  return hasText(key) ? app.t(key, values) : `${entry.action} ${entry.target}`.trim();
}
